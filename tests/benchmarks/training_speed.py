"""Our update against a plain one, written the way diffusers' own textual-inversion example works, paired in one process.

The plain loop trains the whole token table and restores all other rows after each update, runs the text encoder for every
micro-batch and the VAE at every step. Both freeze the UNet, use the same networks, device and dtype, and take turns, so that a
machine whose speed drifts cannot favour one.

    python -m tests.benchmarks.training_speed --model demo
    python -m tests.benchmarks.training_speed --model random-sd1 --size 512 --device cuda
"""

import argparse
import copy
import itertools
import statistics
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F

from lib_ti.adapters.detect import open_standalone
from lib_ti.adapters.noise_schedule import build_alphas_cumprod
from lib_ti.adapters.standalone.detection import Detected, encoders_of, family_networks
from lib_ti.adapters.standalone.encoders import ImageEncoder, PromptEncoder, TextEncoder
from lib_ti.adapters.standalone.libraries import AutoencoderKL, CLIPTextConfig, CLIPTextModel, UNet2DConditionModel
from lib_ti.adapters.standalone.model import Model, choose_device, choose_dtype
from lib_ti.adapters.standalone.networks import Networks
from lib_ti.adapters.standalone.session import StandaloneSession
from lib_ti.adapters.standalone.tokenizer import END, START, tokenize
from lib_ti.config.train import LossPart
from lib_ti.host import PictureSize, SessionRequest
from lib_ti.training.update import Sample, accumulate_gradient, draw_noise

NAME, PROMPTS = "foo", ["a photo of foo", "a rendering of foo", "a good photo of the foo", "a close-up of foo"]


def random_sd1(device: torch.device, dtype: torch.dtype) -> Model:
    """SD1.5's true sizes with random weights."""
    configs = family_networks("sd1")
    with device:
        unet = UNet2DConditionModel.from_config(configs["unet"]).to(dtype)
        vae = AutoencoderKL.from_config(configs["vae"])
        text = CLIPTextModel(CLIPTextConfig(**configs["text_encoder"]))
    for module in (unet, vae, text):
        module.requires_grad_(False).eval()
    if device.type == "cuda":
        unet.to(memory_format=torch.channels_last)
    encoders = encoders_of("sd1", configs)
    detected = Detected("sd1", encoders, "epsilon", False, 512, configs)
    prompts = PromptEncoder("sd1", [TextEncoder("clip_l", text, encoders[0].padding_id)])
    networks = Networks(unet, vae, {"clip_l": text})
    return Model(detected, networks, prompts, ImageEncoder(vae, device), build_alphas_cumprod(False), device, dtype)


@contextmanager
def open_model(name: str, device: torch.device, dtype: torch.dtype) -> Iterator[Model]:
    if name == "random-sd1":
        yield random_sd1(device, dtype)
        return
    words = {torch.float32: "fp32", torch.bfloat16: "bf16", torch.float16: "fp16"}
    host: Any = open_standalone(name, str(device), words[dtype], Path("missing"), Path("missing"))
    with host._exclusive_model() as model:
        yield model


def our_update(model: Model, pixels: torch.Tensor, batch: int, accumulation: int) -> Callable[[int], float]:
    session = StandaloneSession(model, SessionRequest(NAME, 1), {})
    latents = [session.encode_images(one[None]).mean[0] for one in pixels]
    side = pixels.shape[-1]
    size = PictureSize(side, side, 0, 0, side, side)
    vector = model.prompts.encoders["clip_l"].table[2368:2369].detach().clone().requires_grad_()
    optimizer = torch.optim.AdamW([vector], lr=5e-3, weight_decay=0.0)
    count = itertools.cycle(range(len(pixels)))

    def update(step: int) -> float:
        samples = [
            Sample(PROMPTS[n % 4], size, latents[next(count)], draw_noise(latents[0].shape, 0.0, step, n), (step * 97 + n * 211) % 1000)
            for n in range(batch * accumulation)
        ]  # fmt: skip
        optimizer.zero_grad(set_to_none=True)
        loss = accumulate_gradient(session, {NAME: {"clip_l": vector}}, samples, batch, LossPart()).item()
        optimizer.step()
        return loss

    return update


def plain_update(model: Model, pixels: torch.Tensor, batch: int, accumulation: int) -> Callable[[int], float]:
    half = model.dtype if model.device.type == "cuda" else torch.float32
    unet, vae, text = model.networks.unet, copy.deepcopy(model.networks.vae).to(half), model.networks.texts["clip_l"]
    table = text.get_input_embeddings().weight
    original, placeholder = table.detach().clone(), tokenize(NAME)[0]
    others = torch.ones(len(table), dtype=torch.bool)
    others[placeholder] = False
    table.requires_grad_(True)
    optimizer = torch.optim.AdamW([table], lr=5e-3, weight_decay=1e-2)
    rows = [[START, *tokenize(prompt)] for prompt in PROMPTS]
    ids = torch.tensor([row + [END] * (77 - len(row)) for row in rows], device=model.device)
    count = itertools.cycle(range(len(pixels)))
    alphas = model.alphas_cumprod.to(model.device)

    def update(step: int) -> float:
        table.requires_grad_(True)
        total = 0.0
        for micro in range(accumulation):
            batch_pixels = torch.stack([pixels[next(count)] for _ in range(batch)]).to(model.device, half)
            with torch.no_grad():
                latents = vae.encode(batch_pixels).latent_dist.sample() * vae.config.scaling_factor
            latents = latents.to(model.dtype)
            noise = torch.randn_like(latents)
            timesteps = torch.randint(0, 1000, (batch,), device=model.device)
            a = alphas[timesteps].view(-1, 1, 1, 1)
            noisy = (a.sqrt() * latents + (1 - a).sqrt() * noise).to(model.dtype)
            hidden = text(ids[[(micro * batch + n) % 4 for n in range(batch)]])[0].to(model.dtype)
            model_pred = unet(noisy, timesteps, encoder_hidden_states=hidden).sample
            loss = F.mse_loss(model_pred.float(), noise.float())
            (loss / accumulation).backward()
            total += loss.item() / accumulation
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        with torch.no_grad():
            table[others] = original[others]
        table.requires_grad_(False)
        return total

    return update


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--model", default="demo", help="demo, random-sd1, or a checkpoint file of SD1")
    parser.add_argument("--size", type=int, default=0)
    parser.add_argument("--device", default="auto")
    parser.add_argument("--dtype", default="auto")
    parser.add_argument("--batch-size", type=int, default=1)
    parser.add_argument("--accumulation", type=int, default=4)
    parser.add_argument("--steps", type=int, default=10, help="updates in a round")
    parser.add_argument("--rounds", type=int, default=5)
    arguments = parser.parse_args()
    device = choose_device(arguments.device)
    dtype = choose_dtype(arguments.dtype, device)
    torch.manual_seed(0)
    with open_model(arguments.model, device, dtype) as model:
        side = arguments.size or model.detected.native_size
        pixels = torch.rand(8, 3, side, side) * 2 - 1
        loops = {"ours": our_update, "plain": plain_update}
        speeds: dict[str, list[float]] = {name: [] for name in loops}
        peaks = dict.fromkeys(loops, 0.0)
        for name, make in loops.items():  # each loop alone: what it needs beside the networks
            update = make(model, pixels, arguments.batch_size, arguments.accumulation)
            peaks[name] = peak_memory(lambda update=update: update(0), device)
            del update
        updates = {
            name: make(model, pixels, arguments.batch_size, arguments.accumulation) for name, make in loops.items()
        }
        for round_number in range(arguments.rounds + 1):
            for name, update in updates.items():
                seconds = timed(lambda update=update: [update(step) for step in range(arguments.steps)], device)
                if round_number:  # the first round warms up
                    speeds[name].append(arguments.steps / seconds)
    print(
        f"{arguments.model} at {side} px on {device} ({dtype}), batch {arguments.batch_size} x {arguments.accumulation}"
    )
    for name in loops:
        print(
            f"{name:6} {statistics.median(speeds[name]):8.3f} updates/s   {peaks[name] / 2**20:9.1f} MiB beside the networks"
        )
    ratios = [ours / plain for ours, plain in zip(speeds["ours"], speeds["plain"], strict=True)]
    print(
        f"ratio  {statistics.median(ratios):8.2f} (from {min(ratios):.2f} to {max(ratios):.2f}), memory {peaks['ours'] / peaks['plain']:.2f}"
    )


def timed(work: Callable[[], object], device: torch.device) -> float:
    began = time.perf_counter()
    work()
    if device.type == "cuda":
        torch.cuda.synchronize()
    return time.perf_counter() - began


def peak_memory(work: Callable[[], object], device: torch.device) -> float:
    """The most bytes of tensors that `work` holds at once beside those there before."""
    if device.type == "cuda":
        before = torch.cuda.memory_allocated()
        torch.cuda.reset_peak_memory_stats()
        work()
        return float(torch.cuda.max_memory_allocated() - before)
    with torch.profiler.profile(profile_memory=True) as profile:
        work()
    events = sorted(profile.profiler.kineto_results.events(), key=lambda event: event.start_ns())
    held = itertools.accumulate(event.nbytes() for event in events if event.name() == "[memory]")
    return float(max(held))


if __name__ == "__main__":
    main()
