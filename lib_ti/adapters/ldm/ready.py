"""The WebUI's model made ready for training, and put back as it was."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from typing import Any

import torch
from torch.utils.checkpoint import checkpoint

from lib_ti.adapters.restore import attributes_set, modules_kept, random_state_kept


@contextmanager
def model_ready(sd_model: Any, checkpointing: bool) -> Iterator[None]:
    """Weights frozen, nothing of the last picture still at work in them. The WebUI's faster attention stays on."""
    from modules import devices
    from modules.sd_hijack import model_hijack

    with ExitStack() as stack:
        stack.enter_context(random_state_kept(torch.device(devices.device)))
        _unload_extra_networks()
        stack.callback(model_hijack.apply_circular, model_hijack.circular_enabled)
        model_hijack.apply_circular(False)  # a tiling picture leaves its borderless convolutions behind
        stack.enter_context(modules_kept([sd_model]))
        sd_model.requires_grad_(False)
        if checkpointing:
            stack.enter_context(_checkpointed(sd_model.model.diffusion_model))
        yield


def _unload_extra_networks() -> None:
    """LoRAs and hypernetworks of the last picture stay in the weights until the next one says otherwise."""
    from modules import extra_networks, processing

    nothing = processing.StableDiffusionProcessingTxt2Img()
    nothing.all_prompts = []
    extra_networks.activate(nothing, {})


@contextmanager
def _checkpointed(unet: Any) -> Iterator[None]:
    """Recompute each block's activations in the backward pass."""
    with ExitStack() as stack:
        for block in (*unet.input_blocks, unet.middle_block, *unet.output_blocks):
            forward = partial(checkpoint, block.forward, use_reentrant=False)
            stack.enter_context(attributes_set([block], forward=forward))
        yield
