"""From the key names of original checkpoints to those of diffusers' and transformers' modules."""

import re
from collections.abc import Mapping
from typing import Any

from torch import Tensor

from lib_ti.adapters.standalone.libraries import single_file_utils

StateDict = dict[str, Tensor]

_OPEN_CLIP = {
    "positional_embedding": "embeddings.position_embedding.weight",
    "token_embedding.": "embeddings.token_embedding.",
    "ln_final.": "final_layer_norm.",
    "transformer.resblocks.": "encoder.layers.",
    "ln_1.": "layer_norm1.",
    "ln_2.": "layer_norm2.",
    "mlp.c_fc.": "mlp.fc1.",
    "mlp.c_proj.": "mlp.fc2.",
    "attn.out_proj.": "self_attn.out_proj.",
}


def unet_weights(state: Mapping[str, Tensor], config: Mapping[str, Any]) -> StateDict:
    return dict(
        single_file_utils.convert_ldm_unet_checkpoint(_under(state, "model.diffusion_model.", keep=True), config)
    )


def vae_weights(state: Mapping[str, Tensor], config: Mapping[str, Any]) -> StateDict:
    return dict(single_file_utils.convert_ldm_vae_checkpoint(_under(state, "first_stage_model.", keep=True), config))


def clip_weights(state: Mapping[str, Tensor], prefix: str) -> StateDict:
    return bare_weights(_under(state, prefix + "transformer."))


def bare_weights(state: Mapping[str, Tensor]) -> StateDict:
    """Names from "encoder.layers.0 …" on: files and releases of transformers differ in a leading `text_model.`."""
    bare = {key.removeprefix("text_model."): value for key, value in state.items()}
    return {key: value for key, value in bare.items() if not key.endswith("position_ids")}


def open_clip_weights(state: Mapping[str, Tensor], prefix: str, layers: int) -> StateDict:
    """Bare names of the first `layers` layers. open_clip stacks query, key and value, and projects from the right."""
    weights: StateDict = {}
    for key, value in _under(state, prefix + "model.").items():
        match = re.match(r"transformer\.resblocks\.(\d+)\.(attn\.in_proj_(weight|bias))?", key)
        if match and int(match[1]) >= layers:
            continue
        if match and match[2]:
            for name, part in zip("qkv", value.chunk(3), strict=True):
                weights[f"encoder.layers.{match[1]}.self_attn.{name}_proj.{match[3]}"] = part
        elif key == "text_projection":
            weights["text_projection.weight"] = value.T
        elif key not in ("logit_scale", "attn_mask"):
            for old, new in _OPEN_CLIP.items():
                key = key.replace(old, new)
            weights[key] = value
    return weights


def _under(state: Mapping[str, Tensor], prefix: str, keep: bool = False) -> StateDict:
    return {key if keep else key[len(prefix) :]: value for key, value in state.items() if key.startswith(prefix)}
