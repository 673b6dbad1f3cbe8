"""The WebUI's model made ready for training, and put back as it was."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import torch

from lib_ti.adapters.backward import blocks_of, checkpointed, make_ordinary, norms_kept_whole
from lib_ti.adapters.restore import modules_kept, random_state_kept
from lib_ti.adapters.webui.leftovers import use_loras, without_hypertile, without_tiling
from lib_ti.adapters.webui.memory import manages_memory, objects_with_loras, place_on_device
from lib_ti.adapters.webui.model import text_layers_of


@contextmanager
def model_ready(sd_model: Any, checkpointing: bool, loras: str) -> Iterator[None]:
    """Weights frozen; of the last picture nothing is still at work in them, but `loras` are, named as in a prompt.

    The WebUI's faster attention stays on.
    """
    from modules import devices

    with ExitStack() as stack:
        stack.enter_context(random_state_kept(torch.device(devices.device)))
        stack.callback(use_loras, "")
        use_loras(loras)
        stack.enter_context(without_tiling(sd_model))
        stack.enter_context(without_hypertile(sd_model))
        if manages_memory(sd_model):
            stack.enter_context(objects_with_loras(sd_model))
            place_on_device(sd_model, ["clip", "unet"])
            stack.enter_context(norms_kept_whole(sd_model.model.diffusion_model))
            stack.enter_context(checkpointed(text_layers_of(sd_model)))
        make_ordinary([sd_model])
        stack.enter_context(modules_kept([sd_model]))
        sd_model.requires_grad_(False)
        if checkpointing:
            stack.enter_context(checkpointed(blocks_of(sd_model.model.diffusion_model)))
        yield
