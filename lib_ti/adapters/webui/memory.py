"""The memory management of the Forge family, which decides what of a model lies on the device."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from contextlib import AbstractContextManager
from typing import Any

from lib_ti.adapters.restore import attributes_set

_MANAGERS = ("backend.memory_management", "ldm_patched.modules.model_management")
_KEPT, _KEPT_PARTLY = 8, 2
"""What a training step keeps, in pictures' worth of memory, without and with checkpointing. Estimates: about twice what a CPU
needed."""


def manages_memory(sd_model: Any) -> bool:
    return hasattr(sd_model, "forge_objects")


def objects_with_loras(sd_model: Any) -> AbstractContextManager[None]:
    """What the LoRAs now in use have made of the model is the model meanwhile; they go into the weights, and others out of
    them, when these parts are next placed on the device."""
    return attributes_set([sd_model], forge_objects=sd_model.forge_objects_after_applying_lora.shallow_copy())


def place_on_device(sd_model: Any, parts: Sequence[str], room: float = 0) -> None:
    """Have these parts of the model ("clip", "unet", "vae") on the device together, with `room` bytes left beside them.

    All that a graph goes through must be named in one call: what is not named may be sent away for it. A no-op in WebUIs
    that keep the model there.
    """
    if not manages_memory(sd_model):
        return
    manager = next(sys.modules[name] for name in _MANAGERS if name in sys.modules)
    objects = sd_model.forge_objects
    patchers = {"clip": objects.clip.patcher, "unet": objects.unet, "vae": objects.vae.patcher}
    manager.load_models_gpu([patchers[part] for part in parts], memory_required=room)


def place_for_training(sd_model: Any, shape: Sequence[int], checkpointing: bool) -> None:
    """All that a graph from prompts to noise goes through, with room for what a backward pass keeps of noisy latents
    of `shape`: several times what a picture needs."""
    if manages_memory(sd_model):
        picture = sd_model.forge_objects.unet.memory_required(list(shape))
        place_on_device(sd_model, ["clip", "unet"], picture * (_KEPT_PARTLY if checkpointing else _KEPT))
