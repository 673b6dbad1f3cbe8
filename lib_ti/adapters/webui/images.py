"""Pictures to latents by a WebUI's image encoder."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from lib_ti.host import Latents


@torch.no_grad()
def encode_images(vae: Any, scale: float, pixels: Tensor, device: torch.device) -> Latents:
    """`pixels`: [B, 3, H, W] in -1..1. In float32: SDXL's image encoder overflows in half precision."""
    means, stds = [], []
    with _in_float32(vae):
        for picture in pixels:
            mean, log_variance = _moments(vae, picture[None].to(device, torch.float32)).chunk(2, dim=1)
            means.append(mean * scale)
            stds.append(torch.exp(0.5 * log_variance.clamp(-30, 20)) * scale)
    return Latents(torch.cat(means), torch.cat(stds))


def _moments(vae: Any, picture: Tensor) -> Tensor:
    """Mean and log variance, [1, 2 C, h, w], caught on their way: most WebUIs' `encode` gives nothing but a sample."""
    caught: list[Tensor] = []
    handle = vae.quant_conv.register_forward_hook(lambda module, inputs, output: caught.append(output))
    try:
        vae.encode(picture)
    finally:
        handle.remove()
    return caught[0]


@contextmanager
def _in_float32(module: nn.Module) -> Iterator[None]:
    dtype = next(module.parameters()).dtype
    module.float()
    try:
        yield
    finally:
        module.to(dtype)
