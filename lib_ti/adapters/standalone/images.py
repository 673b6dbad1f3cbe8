"""Pictures to latents and back. Always float32: the image encoder of SDXL overflows in half precision."""

from __future__ import annotations

from typing import Any

import torch
from PIL import Image
from torch import Tensor

from lib_ti.host import Latents


class ImageEncoder:
    def __init__(self, vae: Any, device: torch.device) -> None:
        self.vae = vae
        self.device = device
        self.scale: float = vae.config.scaling_factor

    @torch.no_grad()
    def encode(self, pixels: Tensor) -> Latents:
        """`pixels`: [B, 3, H, W] in -1..1. One at a time: little memory, and no picture depends on its neighbours."""
        self.recall()
        means, stds = [], []
        for picture in pixels[:, None]:
            normal = self.vae.encode(picture.to(self.device, torch.float32)).latent_dist
            means.append(normal.mean * self.scale)
            stds.append(normal.std * self.scale)
        return Latents(torch.cat(means), torch.cat(stds))

    @torch.no_grad()
    def decode(self, latents: Tensor) -> Image.Image:
        """`latents`: [1, C, h, w], scaled as the UNet has them."""
        self.recall()
        pixels = self.vae.decode(latents.to(self.device, torch.float32) / self.scale, return_dict=False)[0][0]
        bytes_ = ((pixels + 1) * 127.5).clamp(0, 255).round().to("cpu", torch.uint8)
        return Image.fromarray(bytes_.permute(1, 2, 0).numpy())

    def offload(self) -> None:
        self.vae.to("cpu")

    def recall(self) -> None:
        self.vae.to(self.device)

    @property
    def offloaded(self) -> bool:
        return bool(self.vae.device.type != self.device.type)
