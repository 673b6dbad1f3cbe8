"""A loaded checkpoint: everything that turns prompts into predictions and pictures; where it computes, and how precisely."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch
from PIL import Image
from torch import Tensor

from lib_ti.adapters.noise_schedule import build_alphas_cumprod
from lib_ti.adapters.standalone.chunks import Names
from lib_ti.adapters.standalone.detection import Detected
from lib_ti.adapters.standalone.encoders import ImageEncoder, PromptEncoder, TextEncoder
from lib_ti.adapters.standalone.networks import Networks, load_networks
from lib_ti.adapters.standalone.samplers import build_sampler, take_step
from lib_ti.errors import HostError
from lib_ti.host import Conditioning, ImageRequest, PictureSize, Vectors

_DTYPES = {
    "fp32": torch.float32,
    "float32": torch.float32,
    "bf16": torch.bfloat16,
    "bfloat16": torch.bfloat16,
    "fp16": torch.float16,
    "float16": torch.float16,
}


@dataclass(frozen=True)
class Model:
    detected: Detected
    networks: Networks
    prompts: PromptEncoder
    images: ImageEncoder
    alphas_cumprod: Tensor
    device: torch.device
    dtype: torch.dtype

    def predict(self, noisy: Tensor, timesteps: Tensor, conditioning: Conditioning) -> Tensor:
        """The UNet's raw output, [B, C, h, w] float32, computed in `dtype`."""
        tensors = conditioning.tensors
        added = None
        if "pooled" in tensors:
            added = {"text_embeds": tensors["pooled"].to(self.dtype), "time_ids": tensors["sizes"]}
        if self.device.type == "cuda":
            noisy = noisy.contiguous(memory_format=torch.channels_last)
        output: Tensor = self.networks.unet(
            noisy.to(self.dtype),
            timesteps,
            encoder_hidden_states=tensors["context"].to(self.dtype),
            added_cond_kwargs=added,
            return_dict=False,
        )[0]
        return output.float()

    @torch.no_grad()
    def generate(self, request: ImageRequest, names: Names, vectors: Vectors) -> Image.Image:
        """Noise comes from a generator of its own on the CPU: one seed gives one picture, and no random state is touched."""
        height, width = self._size(request.height), self._size(request.width)
        guided = request.cfg > 1
        conditioning = self._condition(request, names, vectors, PictureSize(height, width, 0, 0, height, width))
        sampler = build_sampler(
            request.sampler, self.alphas_cumprod, self.detected.prediction_type, self.detected.zero_terminal_snr
        )
        sampler.set_timesteps(request.steps, device=self.device)
        generator = torch.Generator("cpu").manual_seed(request.seed)
        cells = self.detected.pixel_multiple
        shape = (1, self.networks.unet.config.in_channels, height // cells, width // cells)
        latents = torch.randn(shape, generator=generator).to(self.device) * sampler.init_noise_sigma
        for timestep in sampler.timesteps:
            scaled = sampler.scale_model_input(latents, timestep)
            both = scaled.expand(2, -1, -1, -1) if guided else scaled
            model_pred = self.predict(both, timestep.expand(len(both)), conditioning)
            if guided:
                without, with_prompt = model_pred.chunk(2)
                model_pred = without + request.cfg * (with_prompt - without)
            latents = take_step(sampler, model_pred, timestep, latents, generator)
        return self.images.decode(latents)

    def _condition(self, request: ImageRequest, names: Names, vectors: Vectors, size: PictureSize) -> Conditioning:
        """Rows: negative, then positive; the positive alone where guidance is off."""
        prompts = [request.negative, request.prompt] if request.cfg > 1 else [request.prompt]
        conditioning = self.prompts.encode(prompts, names, vectors, [size] * len(prompts), request.clip_skip)
        if len(prompts) == 2 and not request.negative and self.detected.zeroes_empty_prompts:
            for key in ("context", "pooled"):
                conditioning.tensors[key][0].zero_()
        return conditioning

    def _size(self, asked: int) -> int:
        size, multiple = asked or self.detected.native_size, self.detected.pixel_multiple
        if size % multiple:
            near = max(multiple, round(size / multiple) * multiple)
            raise HostError(
                f"{size} pixels is no size this model can paint.", f"Sides are multiples of {multiple}: try {near}."
            )
        return size


def load_model(path: Path, detected: Detected, device: torch.device, dtype: torch.dtype) -> Model:
    networks = load_networks(path, detected, device, dtype)
    encoders = [TextEncoder(info.name, networks.texts[info.name], info.padding_id) for info in detected.encoders]
    return Model(
        detected,
        networks,
        PromptEncoder(detected.family, encoders),
        ImageEncoder(networks.vae, device),
        build_alphas_cumprod(detected.zero_terminal_snr),
        device,
        dtype,
    )


def choose_device(name: str) -> torch.device:
    """ "auto" takes a CUDA card, else Apple's GPU, else the processor."""
    if name == "auto":
        if torch.cuda.is_available():
            return torch.device("cuda")
        return torch.device("mps" if torch.backends.mps.is_available() else "cpu")
    try:
        device = torch.device(name)
    except RuntimeError as error:
        raise HostError(f"There is no device called {name!r}.", "Use auto, cuda, cuda:1, mps or cpu.") from error
    ready: dict[str, Callable[[], bool]] = {
        "cuda": torch.cuda.is_available,
        "mps": torch.backends.mps.is_available,
        "cpu": lambda: True,
    }
    if not ready.get(device.type, lambda: False)():
        raise HostError(
            f"The device {name!r} cannot be used by the installed torch {torch.__version__}.",
            "Use --device cpu, or install a build of torch for this device.",
        )
    if device.type == "cuda" and (device.index or 0) >= torch.cuda.device_count():
        raise HostError(f"There is no device {name!r}.", f"{torch.cuda.device_count()} CUDA devices are there.")
    return device


def choose_dtype(name: str, device: torch.device) -> torch.dtype:
    """ "auto" is bf16 on a CUDA card that has it, else fp16 there; float32 elsewhere, where half precision gains nothing."""
    if name != "auto":
        if name not in _DTYPES:
            raise HostError(f"There is no precision called {name!r}.", "Use auto, fp32, bf16 or fp16.")
        return _DTYPES[name]
    if device.type != "cuda":
        return torch.float32
    return torch.bfloat16 if torch.cuda.is_bf16_supported() else torch.float16
