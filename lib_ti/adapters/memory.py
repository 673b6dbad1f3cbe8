"""How much memory an update needs, and how much there is."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod

import torch

_KEPT = {"sd": (103_000, 22_000), "sdxl": (181_000, 26_000)}
"""How many numbers a training step keeps for a cell of the noisy latents, without and with checkpointing: counted in UNets of
full size with fused attention, and a tenth more. Other attention keeps more, and more yet in large pictures."""


def training_room(shape: Sequence[int], dtype: torch.dtype, checkpointing: bool, sdxl: bool) -> int:
    """In bytes, without weights; for noisy latents of `shape` [B, C, h, w] in a UNet that computes in `dtype`."""
    return shape[0] * prod(shape[2:]) * dtype.itemsize * _KEPT["sdxl" if sdxl else "sd"][checkpointing]


def free_memory(device: torch.device) -> int | None:
    """Bytes that torch could have on `device` now: what the system has free, and what torch keeps for itself; None where
    nobody tells."""
    if device.type == "cuda":
        kept = torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device)
        return int(torch.cuda.mem_get_info(device)[0]) + kept
    try:
        import psutil  # type: ignore[import-untyped]
    except ImportError:
        return None
    return int(psutil.virtual_memory().available)
