"""Trains the UNet and the text encoders together, on latents that were encoded once."""

import logging
import random
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from lib_ti.demo.recipe.captions import BOS, EOS, draw_caption, draw_thing, vocabulary, word_ids
from lib_ti.demo.recipe.diffusion import (
    TIMESTEPS,
    WHOLE,
    Sizes,
    build_scheduler,
    condition,
    loss_weights,
    placeholder,
    sum_words,
)
from lib_ti.demo.recipe.networks import Networks
from lib_ti.demo.recipe.vae import Averaged, encode, learning_rate, pictures_to_pixels
from lib_ti.demo.world import SIZE, Picture, Thing, draw

log = logging.getLogger(__name__)


@torch.no_grad()
def initialise(networks: Networks, seed: int) -> None:
    """A start from which the text matters early: full-sized queries, keys and values; residual branches at zero."""
    torch.manual_seed(seed)
    for name, module in networks.unet.named_modules():
        if name.endswith((".to_q", ".to_k", ".to_v")):
            nn.init.normal_(module.weight, std=module.weight.shape[1] ** -0.5)
        elif name == "conv_out" or name.endswith(".conv2"):
            nn.init.zeros_(module.weight)
            nn.init.zeros_(module.bias)
    used = sorted({0, BOS, EOS} | {i for word in vocabulary() for i in word_ids(word)})
    for text in networks.texts():
        for name, module in text.named_modules():
            if name.endswith(("q_proj", "k_proj", "v_proj")):
                nn.init.normal_(module.weight, std=module.weight.shape[1] ** -0.5)
                nn.init.zeros_(module.bias)
            elif name.endswith("position_embedding"):
                nn.init.normal_(module.weight, std=0.02)
            elif name.endswith(
                "token_embedding"
            ):  # words that no caption uses keep a pattern of signs, which packs well
                module.weight.copy_(torch.randint(0, 2, module.weight.shape) * 0.125 - 0.0625)
                module.weight[used] += 0.05 * torch.randn(len(used), module.weight.shape[1])


def _with_sizes(picture: Picture, rng: random.Random) -> tuple[Picture, Sizes]:
    """Sometimes cropped or enlarged from half its size, and said so: what SDXL's size numbers mean."""
    top = left = 0
    original = SIZE
    if rng.random() < 0.25:
        top, left = rng.randint(0, SIZE // 3), rng.randint(0, SIZE // 3)
        picture = np.pad(picture, ((0, top), (0, left), (0, 0)), mode="edge")[top:, left:]
    if rng.random() < 0.15:
        original = SIZE // 2
        halved = picture.reshape(original, 2, original, 2, 3).mean((1, 3))
        picture = halved.repeat(2, 0).repeat(2, 1).astype(np.uint8)
    return picture, (original, original, top, left, SIZE, SIZE)


def _draw_examples(networks: Networks, count: int, rng: random.Random) -> tuple[list[Thing], Tensor, list[Sizes]]:
    things = [draw_thing(rng) for _ in range(count)]
    pictures, sizes = [draw(thing, rng) for thing in things], [WHOLE] * count
    if networks.text_2 is not None:
        pictures, sizes = map(list, zip(*(_with_sizes(p, rng) for p in pictures), strict=True))
    device = networks.vae.device
    chunks = (pictures_to_pixels(np.stack(pictures[i : i + 100])).to(device) for i in range(0, count, 100))
    return things, torch.cat([encode(networks.vae, chunk) for chunk in chunks]), sizes


@dataclass(frozen=True)
class Stage:
    """`rate` is the highest learning rate; `summed_share` of the captions say their thing in one vector."""

    steps: int
    rate: float
    summed_share: float
    examples: int = 12000
    batch: int = 32


def train(networks: Networks, stage: Stage, seed: int) -> None:
    """AdamW on all of the UNet and the encoders; words outside the captions get no gradient, so they stay.

    `seed` draws pictures and captions; noise comes from torch's global generator.
    """
    rng = random.Random(seed)
    things, latents, sizes = _draw_examples(networks, stage.examples, rng)
    scheduler = build_scheduler()
    modules = [networks.unet, *networks.texts()]
    parameters = [p for module in modules for p in module.parameters()]
    tables = [text.get_input_embeddings().weight for text in networks.texts()]
    decayed = [p for p in parameters if not any(p is table for table in tables)]
    groups = [{"params": decayed, "weight_decay": 1e-4}, {"params": tables, "weight_decay": 0.0}]
    optimizer = torch.optim.AdamW(groups, stage.rate, betas=(0.9, 0.99), fused=True)
    averaged = Averaged(parameters, decay=0.995)
    for step in range(stage.steps):
        for group in optimizer.param_groups:
            group["lr"] = learning_rate(stage.rate, step, stage.steps, warm_up=100, flat=0.35)
        picked = torch.randint(0, stage.examples, (stage.batch,)).tolist()
        captions = [draw_caption(things[i], rng, stage.summed_share) for i in picked]
        with placeholder(networks, sum_words(networks, [caption.summed for caption in captions])):
            told = condition(networks, [caption.text for caption in captions], [sizes[i] for i in picked])
        clean = latents[picked]
        noise = torch.randn(clean.shape).to(clean.device)
        timesteps = torch.randint(0, TIMESTEPS, (stage.batch,)).to(clean.device)
        noisy = scheduler.add_noise(clean, noise, timesteps)
        error = (told.predict(networks.unet, noisy, timesteps) - noise).pow(2).mean((1, 2, 3))
        loss = (error * loss_weights(timesteps)).mean()
        optimizer.zero_grad()
        torch.autograd.backward(loss)
        nn.utils.clip_grad_norm_(parameters, 1.0)
        optimizer.step()
        averaged.update()
        if step % 100 == 0:
            log.info("step %d of %d: error %.4f", step, stage.steps, error.mean().item())
    averaged.install()
