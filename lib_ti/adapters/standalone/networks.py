"""The networks of a checkpoint or diffusers folder as frozen diffusers and transformers modules, whose key names are not those
of original checkpoints."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from lib_ti.adapters.standalone.checkpoint import load_weights
from lib_ti.adapters.standalone.detection import Detected
from lib_ti.adapters.standalone.libraries import (
    AutoencoderKL,
    CLIPTextConfig,
    CLIPTextModel,
    CLIPTextModelWithProjection,
    UNet2DConditionModel,
    single_file_utils,
)
from lib_ti.adapters.standalone.source import weights_file
from lib_ti.errors import UnsupportedModel

_StateDict = dict[str, Tensor]

# open_clip's names of modules, and transformers'.
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


@dataclass(frozen=True)
class Networks:
    """`texts` by encoder name. The UNet has the session's dtype; the rest stays float32: the image encoder overflows in
    half precision, and the text encoders carry the gradient of the few numbers that are trained."""

    unet: Any
    vae: Any
    texts: Mapping[str, Any]

    def modules(self) -> list[nn.Module]:
        return [self.unet, self.vae, *self.texts.values()]


def load_networks(path: Path, detected: Detected, device: torch.device, dtype: torch.dtype) -> Networks:
    """Read all weights and put them on `device`. Raises UnsupportedModel where weights and architecture disagree."""
    networks = (_from_folder if path.is_dir() else _from_checkpoint)(path, detected, dtype)
    for module in networks.modules():
        module.requires_grad_(False).eval().to(device=device)
    if device.type == "cuda":
        networks.unet.to(memory_format=torch.channels_last)
    return networks


@contextmanager
def checkpointing(unet: Any, on: bool) -> Iterator[None]:
    """Recompute the UNet's activations in its backward pass: less memory for more time."""
    if not on:
        yield
        return
    unet.enable_gradient_checkpointing()
    try:
        yield
    finally:
        unet.disable_gradient_checkpointing()


def _from_checkpoint(path: Path, detected: Detected, dtype: torch.dtype) -> Networks:
    state, configs = load_weights(path), detected.networks
    with torch.device("meta"):
        unet = UNet2DConditionModel.from_config(configs["unet"])
        vae = AutoencoderKL.from_config(configs["vae"])
    _fill(unet, _unet_weights(state, configs["unet"]), dtype, path, "UNet")
    _fill(vae, _vae_weights(state, configs["vae"]), torch.float32, path, "image encoder")
    first, layers = configs["text_encoder"], configs["text_encoder"]["num_hidden_layers"]
    if detected.family == "sd1":
        return Networks(unet, vae, _texts(path, detected, [(first, _clip_weights(state, "cond_stage_model."))]))
    if detected.family == "sd2":  # trained on the last layer but one; diffusers' folders do not hold the last one
        weights = _open_clip_weights(state, "cond_stage_model.", layers - 1)
        return Networks(unet, vae, _texts(path, detected, [(first | {"num_hidden_layers": layers - 1}, weights)]))
    second = configs["text_encoder_2"]
    parts = [
        (first, _clip_weights(state, "conditioner.embedders.0.")),
        (second, _open_clip_weights(state, "conditioner.embedders.1.", second["num_hidden_layers"])),
    ]
    return Networks(unet, vae, _texts(path, detected, parts))


def _from_folder(path: Path, detected: Detected, dtype: torch.dtype) -> Networks:
    def load(kind: Any, part: str, dtype: torch.dtype) -> Any:
        variant = "fp16" if ".fp16." in weights_file(path / part).name else None
        options = {"variant": variant, "torch_dtype": dtype, "low_cpu_mem_usage": False, "local_files_only": True}
        try:
            return kind.from_pretrained(str(path / part), **options)
        except (OSError, ValueError, RuntimeError) as error:
            raise UnsupportedModel(
                f"The folder's part {part} cannot be loaded: {error}",
                "Copy the folder again, with all its parts.",
                str(path),
            ) from error

    names = [name for name in ("text_encoder", "text_encoder_2") if name in detected.networks]
    parts = [(detected.networks[name], _bare_weights(load_weights(weights_file(path / name)))) for name in names]
    unet, vae = load(UNet2DConditionModel, "unet", dtype), load(AutoencoderKL, "vae", torch.float32)
    return Networks(unet, vae, _texts(path, detected, parts))


def _texts(path: Path, detected: Detected, parts: list[tuple[Any, dict[str, Tensor]]]) -> dict[str, Any]:
    """Text encoders by name, from their configurations and weights."""
    texts = {}
    for info, (config, weights) in zip(detected.encoders, parts, strict=True):
        pooled = info.name == "clip_g"
        with torch.device("meta"):
            text = (CLIPTextModelWithProjection if pooled else CLIPTextModel)(CLIPTextConfig(**config))
        if not pooled:
            weights.pop("text_projection.weight", None)
        _fill(text, weights, torch.float32, path, f"text encoder {info.name}")
        texts[info.name] = text
    return texts


def _fill(module: nn.Module, weights: dict[str, Tensor], dtype: torch.dtype, path: Path, part: str) -> None:
    """Give a module without storage its weights; they are copies, so that the file may change or go."""
    wanted = {key: value for key, value in module.state_dict().items() if not key.endswith("position_ids")}
    if any(key.startswith("text_model.") for key in wanted):
        weights = {k if k.startswith("text_projection") else f"text_model.{k}": v for k, v in weights.items()}
    missing = [key for key in wanted if key not in weights]
    unknown = [key for key in weights if key not in wanted]
    other = [key for key in wanted if key in weights and weights[key].shape != wanted[key].shape]
    for keys, what in ((missing, "lacks"), (unknown, "has unknown"), (other, "has other shapes for")):
        if keys:
            raise UnsupportedModel(
                f"The {part} in {path.name} {what} {len(keys)} weights, such as {', '.join(keys[:3])}.",
                "The file is a variant of the model that is not supported, or it is damaged.",
                where=str(path),
            )
    copies = {key: value.to(dtype=dtype, copy=True).contiguous() for key, value in weights.items()}
    module.load_state_dict(copies, strict=False, assign=True)
    for name, buffer in list(module.named_buffers()):
        if buffer.is_meta:  # only CLIP's position_ids, which count up and are in no file
            owner, _, own = name.rpartition(".")
            counted = torch.arange(buffer.shape[-1]).expand(buffer.shape)
            module.get_submodule(owner).register_buffer(own, counted, persistent=False)


def _unet_weights(state: Mapping[str, Tensor], config: Mapping[str, Any]) -> _StateDict:
    return dict(
        single_file_utils.convert_ldm_unet_checkpoint(_under(state, "model.diffusion_model.", keep=True), config)
    )


def _vae_weights(state: Mapping[str, Tensor], config: Mapping[str, Any]) -> _StateDict:
    return dict(single_file_utils.convert_ldm_vae_checkpoint(_under(state, "first_stage_model.", keep=True), config))


def _clip_weights(state: Mapping[str, Tensor], prefix: str) -> _StateDict:
    return _bare_weights(_under(state, prefix + "transformer."))


def _bare_weights(state: Mapping[str, Tensor]) -> _StateDict:
    """Names from "encoder.layers.0 …" on: files and releases of transformers differ in a leading `text_model.`."""
    bare = {key.removeprefix("text_model."): value for key, value in state.items()}
    return {key: value for key, value in bare.items() if not key.endswith("position_ids")}


def _open_clip_weights(state: Mapping[str, Tensor], prefix: str, layers: int) -> _StateDict:
    """Bare names of the first `layers` layers. open_clip stacks query, key and value, and projects from the right."""
    weights: _StateDict = {}
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


def _under(state: Mapping[str, Tensor], prefix: str, keep: bool = False) -> _StateDict:
    return {key if keep else key[len(prefix) :]: value for key, value in state.items() if key.startswith(prefix)}
