"""Reads a demo checkpoint back into networks, by the converters of diffusers: a second opinion on `export`."""

import json
from pathlib import Path
from typing import Any

from safetensors import safe_open
from torch import nn

from lib_ti.adapters.standalone.libraries import single_file_utils as convert
from lib_ti.demo.recipe.export import Family, StateDict
from lib_ti.demo.recipe.networks import Networks, build_networks


def _load_text(text: nn.Module, state: StateDict) -> None:
    """Releases of transformers differ in whether the names begin with `text_model.`."""
    wanted = text.state_dict()
    bare = {k.removeprefix("text_model."): v for k, v in state.items()}
    text.load_state_dict(
        {k: bare[k.removeprefix("text_model.")] for k in wanted if "position_ids" not in k}, strict=False
    )


def load_networks(path: Path) -> Networks:
    """An SD1- or SDXL-shaped checkpoint with `ti_lab.config`, as float32 networks."""
    with safe_open(str(path), framework="pt") as file:
        config: dict[str, Any] = json.loads(file.metadata()["ti_lab.config"])
        state: StateDict = {key: file.get_tensor(key).float() for key in file.keys()}  # noqa: SIM118
    family: Family = "sdxl" if "text_encoder_2" in config else "sd1"
    networks = build_networks(family, config)
    networks.unet.load_state_dict(convert.convert_ldm_unet_checkpoint(dict(state), config=dict(networks.unet.config)))
    networks.vae.load_state_dict(convert.convert_ldm_vae_checkpoint(dict(state), config=dict(networks.vae.config)))
    _load_text(networks.text, convert.convert_ldm_clip_checkpoint(dict(state)))
    if networks.text_2 is not None:
        prefix = "conditioner.embedders.1.model."
        _load_text(networks.text_2, convert.convert_open_clip_checkpoint(networks.text_2, dict(state), prefix=prefix))
    for module in networks.modules():
        module.requires_grad_(False)
    return networks
