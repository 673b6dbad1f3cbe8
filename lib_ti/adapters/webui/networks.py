"""The neural networks of the model that a WebUI has loaded."""

from __future__ import annotations

from typing import Any, cast

import torch
from torch import nn

from lib_ti.adapters.webui.model import loaded_model


def networks_of(sd_model: Any) -> list[nn.Module]:
    """All that holds weights: the model object itself, or the parts of one that is no module."""
    if isinstance(sd_model, nn.Module):
        return [sd_model]
    objects = sd_model.forge_objects_original
    return [objects.unet.model, objects.clip.cond_stage_model, objects.vae.first_stage_model]


def text_layers_of(sd_model: Any) -> list[nn.Module]:
    """The layers of all text encoders of a Forge, which casts their weights at each use."""
    encoders = sd_model.forge_objects.clip.cond_stage_model.named_modules()
    return [layer for name, stack in encoders if name.endswith("text_model.encoder.layers") for layer in stack]


def device_of(sd_model: Any, part: str, otherwise: torch.device) -> torch.device:
    """Where "clip", "unet" or "vae" computes; `otherwise` in WebUIs that have one device for all. A Forge keeps text encoders on
    the CPU where fp16 is of no use, as on a Mac, and each part where its start options say."""
    if not hasattr(sd_model, "forge_objects"):
        return otherwise
    owner = getattr(sd_model.forge_objects, part)
    return cast("torch.device", getattr(owner, "patcher", owner).load_device)


def loaded_networks() -> list[nn.Module]:
    return networks_of(loaded_model())
