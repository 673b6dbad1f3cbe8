"""The sizes of the demo's networks, and the networks themselves: freshly initialised, or read back from a checkpoint by the
converters of diffusers, a second opinion on `export`."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import safe_open
from torch import nn

from lib_ti.adapters.standalone.libraries import (
    AutoencoderKL,
    CLIPTextConfig,
    CLIPTextModel,
    CLIPTextModelWithProjection,
    UNet2DConditionModel,
)
from lib_ti.adapters.standalone.libraries import single_file_utils as convert
from lib_ti.demo.recipe.captions import BOS, EOS, SIZE
from lib_ti.demo.recipe.export import Family, StateDict, text_state, unet_state, vae_state

Config = dict[str, Any]
PICTURE_SIZE = 64
LATENT_SIZE = 8


def vae_config(scaling_factor: float, channels: int = 32) -> Config:
    return {
        "in_channels": 3,
        "out_channels": 3,
        "latent_channels": 4,
        "sample_size": PICTURE_SIZE,
        "layers_per_block": 0,
        "block_out_channels": [channels] * 4,
        "down_block_types": ["DownEncoderBlock2D"] * 4,
        "up_block_types": ["UpDecoderBlock2D"] * 4,
        "norm_num_groups": 8,
        "scaling_factor": scaling_factor,
    }


def unet_config(channels: int, context: int) -> Config:
    return {
        "sample_size": LATENT_SIZE,
        "in_channels": 4,
        "out_channels": 4,
        "layers_per_block": 1,
        "block_out_channels": [channels, channels],
        "down_block_types": ["CrossAttnDownBlock2D"] * 2,
        "up_block_types": ["CrossAttnUpBlock2D"] * 2,
        "cross_attention_dim": context,
        "attention_head_dim": 4,  # diffusers' old name for the number of heads
        "norm_num_groups": 8,
    }


def text_config(width: int, layers: int) -> Config:
    return {
        "vocab_size": SIZE,
        "hidden_size": width,
        "intermediate_size": 4 * width,
        "projection_dim": width,
        "num_hidden_layers": layers,
        "num_attention_heads": 2,
        "max_position_embeddings": 77,
        "hidden_act": "quick_gelu",
        "bos_token_id": BOS,
        "eos_token_id": EOS,
        "pad_token_id": EOS,
    }


def demo_config() -> Config:
    """SD1's shape: one encoder, whose last state after the final norm is the context."""
    width = 32
    return {
        "unet": unet_config(48, width),
        "vae": vae_config(0.18215),
        "text_encoder": text_config(width, layers=2),
        "native_size": PICTURE_SIZE,
    }


def demo_xl_config() -> Config:
    """SDXL's shape: two encoders' penultimate states side by side, a pooled vector and six size numbers."""
    width, size_width = 32, 16
    unet = unet_config(48, 2 * width) | {
        "use_linear_projection": True,
        "addition_embed_type": "text_time",
        "addition_time_embed_dim": size_width,
        "projection_class_embeddings_input_dim": width + 6 * size_width,
    }
    return {
        "unet": unet,
        "vae": vae_config(0.13025),
        "text_encoder": text_config(width, layers=3),
        "text_encoder_2": text_config(width, layers=3) | {"hidden_act": "gelu", "pad_token_id": 0},
        "native_size": PICTURE_SIZE,
    }


@dataclass
class Networks:
    """One checkpoint's parts. `text_2` is there in SDXL's shape alone."""

    family: Family
    config: Config
    unet: Any
    vae: Any
    text: Any
    text_2: Any = None

    def texts(self) -> list[Any]:
        return [self.text] if self.text_2 is None else [self.text, self.text_2]

    def modules(self) -> list[nn.Module]:
        return [self.unet, self.vae, *self.texts()]

    def to(self, device: str | torch.device) -> "Networks":
        for module in self.modules():
            module.to(device)
        return self

    def checkpoint(self) -> StateDict:
        return (
            unet_state(self.unet, self.config["unet"])
            | vae_state(self.vae, self.config["vae"])
            | text_state(self.family, self.text, self.text_2)
        )


def build_networks(family: Family, config: Config, seed: int = 0) -> Networks:
    """Random networks of the given shapes; a checkpoint of any family can be made from them."""
    torch.manual_seed(seed)
    unet = UNet2DConditionModel(**config["unet"])
    vae = AutoencoderKL(**config["vae"])
    text_class = CLIPTextModelWithProjection if family == "sd2" else CLIPTextModel
    text = text_class(CLIPTextConfig(**config["text_encoder"]))
    text_2 = None
    if "text_encoder_2" in config:
        text_2 = CLIPTextModelWithProjection(CLIPTextConfig(**config["text_encoder_2"]))
    networks = Networks(family, config, unet, vae, text, text_2)
    for module in networks.modules():
        module.eval()
    return networks


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
