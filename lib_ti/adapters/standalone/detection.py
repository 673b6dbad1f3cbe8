"""What a checkpoint is, from the names and shapes of its tensors alone: no weights are loaded and torch is not needed."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lib_ti.adapters.standalone.checkpoint import Header
from lib_ti.errors import UnsupportedModel
from lib_ti.host import EncoderInfo, Family, PredictionType
from lib_ti.reading import read_json

UNET = "model.diffusion_model."
USE = "Use a full checkpoint of SD1, SD2 or SDXL, as .safetensors or .ckpt, or a diffusers folder."
_SD1_TEXT = "cond_stage_model.transformer."
_SD2_TEXT = "cond_stage_model.model."
_SDXL_TEXT = ("conditioner.embedders.0.transformer.", "conditioner.embedders.1.model.")
_BIAS = UNET + "output_blocks.11.1.transformer_blocks.0.norm1.bias"

_OTHERS: tuple[tuple[str, str], ...] = (
    (r"lora_|\.lora_[AB]\.|\.hada_w|\.lokr_|\.oft_", "a LoRA"),
    (r"^(emb_params|string_to_param|string_to_token|clip_[lgh])$", "an embedding"),
    (r"^(control_model\.|controlnet_|input_hint_block)", "a ControlNet"),
    (r"(^|\.)double_blocks\.\d|(^|\.)single_transformer_blocks\.\d", "a Flux model"),
    (r"(^|\.)joint_blocks\.\d|^transformer_blocks\.\d+\.ff_context", "an SD3 model"),
    (r"^edm_(mean|std)$|^edm_vpred\.", "a model trained for EDM noise levels (Playground, CosXL)"),
    (r"^depth_model\.", "a depth-to-picture model"),
    (r"^cond_stage_model\.(roberta|embed)|^embedder\.model\.|^image_encoder\.", "a model steered by other inputs than CLIP text"),
)  # fmt: skip
_LONE_PARTS: tuple[tuple[str, str], ...] = (
    (r"^(down_blocks|mid_block)\.", "the UNet of a diffusers folder; give the whole folder"),
    (r"^(first_stage_model\.|vae\.)?(encoder|decoder)\.(conv_in|down|mid|up)", "a VAE"),
    (r"^(text_model|transformer\.resblocks|encoder\.block|embeddings)\.", "a text encoder alone"),
)
_PARTS = {"unet", "vae", "text_encoder", "native_size"}
_INPUTS = {9: "an inpainting model", 8: "a model that edits pictures (InstructPix2Pix)", 5: "a depth-to-picture model"}


@dataclass(frozen=True)
class Detected:
    """`networks` holds the parts' configurations: unet, vae, text_encoder and, for SDXL, text_encoder_2."""

    family: Family
    encoders: tuple[EncoderInfo, ...]
    prediction_type: PredictionType
    zero_terminal_snr: bool
    native_size: int
    networks: Mapping[str, Any]

    @property
    def zeroes_empty_prompts(self) -> bool:
        """SDXL was trained with zeros, not with an encoded empty text, in place of a prompt that was dropped."""
        return bool(self.networks.get("force_zeros_for_empty_prompt"))

    @property
    def pixel_multiple(self) -> int:
        """Pixels to a latent cell."""
        return int(2 ** (len(self.networks["vae"]["block_out_channels"]) - 1))


def detect_checkpoint(header: Header, sibling_yaml: str, spread: Callable[[str], float]) -> Detected:
    """`sibling_yaml` is the text of the .yaml beside the file; `spread` gives a tensor's standard deviation by key.

    Raises UnsupportedModel saying what was found and what to use instead.
    """
    shapes = header.shapes
    family = _family(shapes)
    networks = _own_networks(header.metadata) or family_networks(family)
    prediction = _prediction_type(family, shapes, sibling_yaml, spread)
    size = networks["native_size"]
    if family == "sd2" and prediction == "v_prediction" and size == 512:
        size = 768
    return Detected(family, encoders_of(family, networks), prediction, "ztsnr" in shapes, size, networks)


def _own_networks(metadata: Mapping[str, str]) -> dict[str, Any]:
    """The configurations that a small model of ours carries; empty for all others."""
    try:
        networks = read_json(metadata.get("ti_lab.config", "{}"))
    except ValueError as error:
        raise UnsupportedModel("The file's ti_lab.config is not JSON.", USE) from error
    if not isinstance(networks, dict) or (networks and not networks.keys() >= _PARTS):
        raise UnsupportedModel(f"The file's ti_lab.config lacks one of {', '.join(sorted(_PARTS))}.", USE)
    return networks


def family_networks(family: Family) -> dict[str, Any]:
    """The public architecture of a family."""
    text = (Path(__file__).parent / "configs" / f"{family}.json").read_text(encoding="utf-8")
    networks: dict[str, Any] = json.loads(text)
    return networks


def encoders_of(family: Family, networks: Mapping[str, Any]) -> tuple[EncoderInfo, ...]:
    width = networks["text_encoder"]["hidden_size"]
    if family == "sd1":
        return (EncoderInfo("clip_l", width, 49407),)
    if family == "sd2":
        return (EncoderInfo("clip_h", width, 0),)
    return EncoderInfo("clip_l", width, 49407), EncoderInfo("clip_g", networks["text_encoder_2"]["hidden_size"], 0)


def refuse_inputs(channels: int) -> None:
    """A UNet that reads more than noisy latents is another kind of model."""
    if channels != 4:
        raise UnsupportedModel(f"This is {_INPUTS.get(channels, f'a model with {channels} input channels')}.", USE)


def find_table(header: Header, encoder: int) -> str:
    """The key of the token table of the first (0) or second (1) text encoder; in a diffusers folder each file has one."""
    tables = sorted(key for key in header.shapes if key.endswith("token_embedding.weight"))
    return tables[min(encoder, len(tables) - 1)]


def _family(shapes: Mapping[str, tuple[int, ...]]) -> Family:
    _refuse_matches(shapes, _OTHERS)
    if UNET + "input_blocks.0.0.weight" not in shapes:
        _refuse_matches(shapes, _LONE_PARTS)
        raise UnsupportedModel(f"No diffusion model is in this file; it starts with {_some(shapes)}.", USE)
    refuse_inputs(([*shapes[UNET + "input_blocks.0.0.weight"], 0, 0])[1])
    sdxl = [_has(shapes, prefix) for prefix in _SDXL_TEXT]
    if all(sdxl) and UNET + "label_emb.0.0.weight" in shapes:
        return "sdxl"
    if _has(shapes, "conditioner.embedders.0.model."):
        raise UnsupportedModel("This is the SDXL refiner.", "Use the SDXL base model: the refiner lacks an encoder.")
    if _has(shapes, _SD1_TEXT):
        return "sd1"
    if _has(shapes, _SD2_TEXT):
        return "sd2"
    raise UnsupportedModel(
        f"This file has a UNet but {'only one of two text encoders' if any(sdxl) else 'no text encoder'}.",
        "An embedding is trained against the text encoder. " + USE,
    )


def _prediction_type(
    family: Family, shapes: Mapping[str, tuple[int, ...]], sibling_yaml: str, spread: Callable[[str], float]
) -> PredictionType:
    if "v_pred" in shapes or re.search(r"parameterization\s*:\s*[\"']?v[\"']?\s*$", sibling_yaml, re.MULTILINE):
        return "v_prediction"
    # A known statistic: SD2's v models were trained on from the others, which widened this bias.
    if family == "sd2" and _BIAS in shapes and spread(_BIAS) > 0.09:
        return "v_prediction"
    return "epsilon"


def _refuse_matches(shapes: Mapping[str, tuple[int, ...]], table: tuple[tuple[str, str], ...]) -> None:
    for pattern, what in table:
        if key := next((key for key in shapes if re.search(pattern, key)), None):
            raise UnsupportedModel(f"This is {what} (the file holds {key!r}).", USE)


def _has(shapes: Mapping[str, tuple[int, ...]], prefix: str) -> bool:
    return any(key.startswith(prefix) for key in shapes)


def _some(shapes: Mapping[str, tuple[int, ...]]) -> str:
    return ", ".join(list(shapes)[:3]) or "nothing"
