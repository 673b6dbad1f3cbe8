"""Forge's model made ready for training, and put back as it was."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from typing import Any

import torch

from lib_ti.adapters.backward import blocks_of, checkpointed, make_ordinary, norms_kept_whole
from lib_ti.adapters.forge.conditioning import quiet
from lib_ti.adapters.restore import attributes_set, modules_kept, random_state_kept
from lib_ti.adapters.webui.leftovers import use_loras, without_tiling
from lib_ti.adapters.webui.memory import objects_with_loras, place_on_device
from lib_ti.adapters.webui.model import networks_of, text_layers_of


@contextmanager
def model_ready(sd_model: Any, checkpointing: bool, loras: str) -> Iterator[None]:
    """Weights frozen and fit for gradients; no LoRAs of the last picture in them, but `loras`, named as in a prompt."""
    from modules import devices

    unet = sd_model.forge_objects.unet.model.diffusion_model
    with ExitStack() as stack:
        stack.enter_context(random_state_kept(torch.device(devices.device)))
        stack.enter_context(without_tiling(sd_model))
        stack.callback(use_loras, "")
        use_loras(loras)
        stack.enter_context(objects_with_loras(sd_model))
        with quiet(sd_model):
            place_on_device(sd_model, ["clip", "unet"])
        networks = networks_of(sd_model)
        make_ordinary(networks)
        stack.enter_context(modules_kept(networks))
        for network in networks:
            network.requires_grad_(False)
        stack.enter_context(norms_kept_whole(unet))
        stack.enter_context(_loras_merged_with_gradients())
        stack.enter_context(checkpointed(text_layers_of(sd_model)))
        if checkpointing:
            stack.enter_context(checkpointed(blocks_of(unet)))
        yield


def _loras_merged_with_gradients() -> AbstractContextManager[None]:
    """Where Forge merges LoRAs anew at each use of a weight ("fp16 LoRA"), it does so in inference mode."""
    parts = [part for name, part in list(sys.modules.items()) if name.startswith("backend.")]
    owners = [part for part in parts if hasattr(part, "merge_lora_to_weight")]
    merge = next((owner.merge_lora_to_weight for owner in owners), None)
    return attributes_set(owners, merge_lora_to_weight=getattr(merge, "__wrapped__", merge))


@contextmanager
def checkpoint_pinned(parameters: dict[str, Any]) -> Iterator[None]:
    """A picture meanwhile is made by the model of these loading parameters; a choice that the user makes is for the next."""
    from modules import sd_models

    data = sd_models.model_data
    chosen = data.forge_loading_parameters
    data.forge_loading_parameters = parameters
    try:
        yield
    finally:
        if data.forge_loading_parameters is parameters:
            data.forge_loading_parameters = chosen
