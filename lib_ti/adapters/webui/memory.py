"""The memory management of the Forge family, which decides what of a model lies on the device."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from contextlib import AbstractContextManager
from inspect import signature
from typing import TYPE_CHECKING, Any

from lib_ti.adapters.memory import training_room
from lib_ti.adapters.restore import attributes_set

if TYPE_CHECKING:
    import torch

_MANAGERS = ("backend.memory_management", "ldm_patched.modules.model_management")


def manages_memory(sd_model: Any) -> bool:
    return hasattr(sd_model, "forge_objects")


def objects_with_loras(sd_model: Any) -> AbstractContextManager[None]:
    """What the LoRAs now in use have made of the model is the model meanwhile; they go into the weights, and others out of
    them, when these parts are next placed on the device."""
    return attributes_set([sd_model], forge_objects=sd_model.forge_objects_after_applying_lora.shallow_copy())


def place_on_device(sd_model: Any, part: str, room: int = 0, spare: bool = False) -> None:
    """Have a part of the model ("clip", "unet", "vae") on the device, with `room` bytes left beside it; with `spare` rather by
    leaving weights outside than by going without the room.

    The other parts may be sent away for it. A no-op in WebUIs that keep the model there.
    """
    if not manages_memory(sd_model):
        return
    manager = next(sys.modules[name] for name in _MANAGERS if name in sys.modules)
    objects = sd_model.forge_objects
    patcher = {"clip": objects.clip.patcher, "unet": objects.unet, "vae": objects.vae.patcher}[part]
    if spare and "hard_memory_preservation" in signature(manager.load_models_gpu).parameters:
        # To Forge the room required is a reason to send other models away, but not to leave weights of these outside.
        manager.load_models_gpu([patcher], hard_memory_preservation=room)
    else:
        manager.load_models_gpu([patcher], memory_required=room)


def place_for_training(sd_model: Any, shape: Sequence[int], dtype: torch.dtype, checkpointing: bool) -> None:
    """The UNet, with room for what a backward pass keeps of noisy latents [B, C, h, w] where it computes in `dtype`. The text
    encoder may make room: no graph goes through both.

    Weights that stay outside come in as copies, which a backward pass keeps unless it recomputes: nothing would be spared.
    """
    if manages_memory(sd_model):
        room = training_room(shape, dtype, checkpointing, sd_model.is_sdxl)
        place_on_device(sd_model, "unet", room, spare=checkpointing)
