"""From the state dicts of diffusers and transformers to the key names of the original checkpoints.

The maps follow the structure of the networks, so they serve every size: SD1, SD2 and SDXL, real or tiny.
"""

import json
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Literal

import torch
from safetensors.torch import save
from torch import Tensor

Family = Literal["sd1", "sd2", "sdxl"]
StateDict = dict[str, Tensor]

_RESNET = {
    "norm1.": "in_layers.0.",
    "conv1.": "in_layers.2.",
    "norm2.": "out_layers.0.",
    "conv2.": "out_layers.3.",
    "time_emb_proj.": "emb_layers.1.",
    "conv_shortcut.": "skip_connection.",
}
_UNET_ENDS = {
    "time_embedding.linear_1.": "time_embed.0.",
    "time_embedding.linear_2.": "time_embed.2.",
    "add_embedding.linear_1.": "label_emb.0.0.",
    "add_embedding.linear_2.": "label_emb.0.2.",
    "conv_in.": "input_blocks.0.0.",
    "conv_norm_out.": "out.0.",
    "conv_out.": "out.2.",
    "mid_block.resnets.0.": "middle_block.0.",
    "mid_block.attentions.0.": "middle_block.1.",
    "mid_block.resnets.1.": "middle_block.2.",
}
_VAE_NAMES = {
    "mid_block.resnets.0.": "mid.block_1.",
    "mid_block.resnets.1.": "mid.block_2.",
    "mid_block.attentions.0.": "mid.attn_1.",
    "downsamplers.0.": "downsample.",
    "upsamplers.0.": "upsample.",
    "conv_norm_out.": "norm_out.",
    "conv_shortcut.": "nin_shortcut.",
}
_VAE_ATTENTION = {"group_norm.": "norm.", "to_q.": "q.", "to_k.": "k.", "to_v.": "v.", "to_out.0.": "proj_out."}
_OPEN_CLIP = {
    "encoder.layers.": "transformer.resblocks.",
    "layer_norm1.": "ln_1.",
    "layer_norm2.": "ln_2.",
    "mlp.fc1.": "mlp.c_fc.",
    "mlp.fc2.": "mlp.c_proj.",
    "self_attn.out_proj.": "attn.out_proj.",
    "embeddings.position_embedding.weight": "positional_embedding",
    "embeddings.token_embedding.": "token_embedding.",
    "final_layer_norm.": "ln_final.",
}


def _replace(key: str, names: Mapping[str, str]) -> str:
    for old, new in names.items():
        key = key.replace(old, new)
    return key


def unet_key(key: str, layers_per_block: int, attention_in_up_block: Callable[[int], bool]) -> str:
    """One key of `UNet2DConditionModel` in the original naming, without `model.diffusion_model.`.

    The original counts blocks through all levels: a level of L resnets takes L + 1 numbers (the last is its resampler
    on the way down, its additional resnet on the way up).
    """
    stride = layers_per_block + 1
    if match := re.match(r"(down|up)_blocks\.(\d+)\.(resnets|attentions|downsamplers|upsamplers)\.(\d+)\.(.*)", key):
        side, level, part, index, rest = match[1], int(match[2]), match[3], int(match[4]), match[5]
        if part == "downsamplers":
            return f"input_blocks.{(level + 1) * stride}.0.{rest.replace('conv.', 'op.')}"
        if part == "upsamplers":
            return f"output_blocks.{(level + 1) * stride - 1}.{2 if attention_in_up_block(level) else 1}.{rest}"
        block = (
            f"input_blocks.{1 + level * stride + index}"
            if side == "down"
            else f"output_blocks.{level * stride + index}"
        )
        return f"{block}.0.{_replace(rest, _RESNET)}" if part == "resnets" else f"{block}.1.{rest}"
    for ours, original in _UNET_ENDS.items():
        if key.startswith(ours):
            rest = key[len(ours) :]
            return original + (_replace(rest, _RESNET) if "mid_block.resnets" in ours else rest)
    raise KeyError(key)


def unet_state(unet: torch.nn.Module, config: Mapping[str, Any]) -> StateDict:
    up_types = config["up_block_types"]
    return {
        "model.diffusion_model." + unet_key(k, config["layers_per_block"], lambda i: "CrossAttn" in up_types[i]): v
        for k, v in unet.state_dict().items()
    }


def vae_state(vae: torch.nn.Module, config: Mapping[str, Any]) -> StateDict:
    """The autoencoder's attention was built of 1x1 convolutions, and its decoder counts levels from the picture's side."""
    levels = len(config["block_out_channels"])
    state: StateDict = {}
    for key, value in vae.state_dict().items():
        name = re.sub(r"down_blocks\.(\d+)\.", r"down.\1.", key)
        name = re.sub(r"up_blocks\.(\d+)\.", lambda m: f"up.{levels - 1 - int(m[1])}.", name)
        name = _replace(name.replace(".resnets.", ".block.") if "mid_block" not in name else name, _VAE_NAMES)
        if ".attn_1." in name:
            name = _replace(name, _VAE_ATTENTION)
            value = value[:, :, None, None] if value.ndim == 2 else value
        state["first_stage_model." + name] = value
    return state


def _bare_text_state(text: torch.nn.Module) -> StateDict:
    """Without the prefix `text_model.`, which some releases of transformers write and others do not."""
    return {k.removeprefix("text_model."): v for k, v in text.state_dict().items() if "position_ids" not in k}


def clip_state(text: torch.nn.Module, prefix: str) -> StateDict:
    return {f"{prefix}transformer.text_model.{k}": v for k, v in _bare_text_state(text).items()}


def open_clip_state(text: torch.nn.Module, prefix: str) -> StateDict:
    """open_clip stacks query, key and value into one matrix and multiplies by its text projection from the right."""
    bare = _bare_text_state(text)
    state: StateDict = {}
    for key, value in bare.items():
        if match := re.match(r"(encoder\.layers\.\d+\.)self_attn\.q_proj\.(weight|bias)", key):
            stacked = torch.cat([bare[f"{match[1]}self_attn.{p}_proj.{match[2]}"] for p in "qkv"])
            state[f"{prefix}model.{_replace(match[1], _OPEN_CLIP)}attn.in_proj_{match[2]}"] = stacked
        elif key == "text_projection.weight":
            state[f"{prefix}model.text_projection"] = value.T
        elif not re.search(r"self_attn\.[kv]_proj", key):
            state[f"{prefix}model.{_replace(key, _OPEN_CLIP)}"] = value
    return state


def text_state(family: Family, text: torch.nn.Module, text_2: torch.nn.Module | None = None) -> StateDict:
    if family == "sd1":
        return clip_state(text, "cond_stage_model.")
    if family == "sd2":
        return open_clip_state(text, "cond_stage_model.")
    if text_2 is None:
        raise ValueError("an SDXL checkpoint has two text encoders")
    return clip_state(text, "conditioner.embedders.0.") | open_clip_state(text_2, "conditioner.embedders.1.")


def save_checkpoint(path: Path, state: StateDict, config: Mapping[str, Any], title: str) -> None:
    """float16, with the networks' configurations in the metadata: heads and norm groups cannot be read off the shapes.

    The same weights give the same bytes: keys are sorted and nothing tells the time.
    """
    metadata = {
        "format": "pt",
        "modelspec.title": title,
        "modelspec.license": "MIT",
        "modelspec.description": "A tiny model of drawn shapes, made by lib_ti.demo.recipe.build",
        "ti_lab.config": json.dumps(config, sort_keys=True),
    }
    half = {key: state[key].detach().cpu().half().contiguous() for key in sorted(state)}
    path.write_bytes(_with_sorted_header(save(half, metadata=metadata)))


def _with_sorted_header(content: bytes) -> bytes:
    """safetensors writes its metadata in no fixed order: eight bytes of length, then JSON, then the tensors."""
    length = int.from_bytes(content[:8], "little")
    header = json.dumps(json.loads(content[8 : 8 + length]), sort_keys=True, separators=(",", ":")).encode()
    header += b" " * (-len(header) % 8)
    return len(header).to_bytes(8, "little") + header + content[8 + length :]
