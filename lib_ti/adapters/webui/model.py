"""What a WebUI has loaded, recognised by what it can do and never by the WebUI's name."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

from torch import nn

from lib_ti.adapters.noise_schedule import rescale_to_zero_snr
from lib_ti.errors import HostError, UnsupportedModel
from lib_ti.host import EncoderInfo, Family, ModelInfo, PredictionType

if TYPE_CHECKING:
    import torch
    from torch import Tensor

_NAMES = {768: "clip_l", 1024: "clip_h", 1280: "clip_g"}
_FAMILIES: dict[tuple[str, ...], Family] = {("clip_l",): "sd1", ("clip_h",): "sd2", ("clip_l", "clip_g"): "sdxl"}
_PREDICTIONS: dict[str, PredictionType] = {
    "eps": "epsilon",
    "epsilon": "epsilon",
    "v": "v_prediction",
    "v_prediction": "v_prediction",
}
NATIVE_SIDES: dict[tuple[Family, PredictionType], int] = {
    ("sd1", "epsilon"): 512,
    ("sd1", "v_prediction"): 512,
    ("sd2", "epsilon"): 512,
    ("sd2", "v_prediction"): 768,
    ("sdxl", "epsilon"): 1024,
    ("sdxl", "v_prediction"): 1024,
}
_ZERO_SNR = "Zero Terminal SNR"


@dataclass(frozen=True)
class TextEncoder:
    """`wrapper` is the WebUI's object around one text encoder; `table` its token vectors, [vocabulary, D]."""

    wrapper: Any
    table: Tensor

    @property
    def name(self) -> str:
        return _NAMES.get(self.table.shape[1], "")

    @property
    def tokenizer(self) -> Any:
        """CLIP's: transformers' or open_clip's; `decoder` and `byte_decoder` are in both."""
        owners: tuple[Any, ...] = (self.wrapper, getattr(self.wrapper, "wrapped", None))
        for owner in owners:
            if getattr(owner, "tokenizer", None) is not None:
                return owner.tokenizer
        import open_clip.tokenizer

        return open_clip.tokenizer._tokenizer


def loaded_model() -> Any:
    """The WebUI's model object, without making it load one. Raises HostError where there is none."""
    from modules import sd_models

    sd_model = sd_models.model_data.sd_model
    if not hasattr(sd_model, "sd_checkpoint_info"):  # Forge has a stand-in until the first picture
        raise HostError("The WebUI has not loaded a model yet.", "Wait until it has, or choose a checkpoint.")
    return sd_model


def by_name(encoders: list[TextEncoder]) -> dict[str, TextEncoder]:
    """In the order in which prompts go through them."""
    return {encoder.name: encoder for encoder in encoders}


def model_info(sd_model: Any, encoders: Mapping[str, TextEncoder], prediction: str) -> ModelInfo:
    """`prediction` as the WebUI calls it. Raises UnsupportedModel for what is none of SD1, SD2 and SDXL."""
    info = sd_model.sd_checkpoint_info
    family, prediction_type = _FAMILIES.get(tuple(encoders)), _PREDICTIONS.get(prediction)
    if family is None or prediction_type is None:
        found = ", ".join(filter(None, encoders)) or "none of ours"
        raise UnsupportedModel(
            f"{info.model_name} is no SD1, SD2 or SDXL model: the WebUI has loaded it as {type(sd_model).__name__} "
            f"(text encoders: {found}; it predicts {prediction!r}).",
            "Choose a checkpoint of one of these families. Refiners, SD3, Flux and their like cannot be trained against.",
        )
    return ModelInfo(
        name=info.model_name,
        short_hash=info.shorthash or "",
        family=family,
        encoders=tuple(
            EncoderInfo(name, encoder.table.shape[1], encoder.wrapper.id_pad) for name, encoder in encoders.items()
        ),
        prediction_type=prediction_type,
        native_size=NATIVE_SIDES[family, prediction_type],
        zero_terminal_snr=_has_zero_snr(sd_model),
    )


def next_schedule(sd_model: Any, alphas_cumprod: Tensor) -> Tensor:
    """[1000] float32 on the CPU: `alphas_cumprod`, the model's own, as the next picture will use them."""
    alphas_cumprod = alphas_cumprod.detach().double().cpu()
    return (rescale_to_zero_snr(alphas_cumprod) if _has_zero_snr(sd_model) else alphas_cumprod).float()


def _has_zero_snr(sd_model: Any) -> bool:
    """By the user's choice, or because the checkpoint says so."""
    from modules import shared

    owners = (sd_model, getattr(sd_model, "model_config", None))
    return shared.opts.sd_noise_schedule == _ZERO_SNR or any(getattr(owner, "ztsnr", False) for owner in owners)


def validate_plain(sd_model: Any, channels: int, plain: bool = True) -> None:
    """Raises UnsupportedModel for a UNet that reads more than noise."""
    if not plain or channels != 4:
        raise UnsupportedModel(
            f"{sd_model.sd_checkpoint_info.model_name} is an inpainting, editing or depth model: its UNet reads "
            f"{channels} channels.",
            "Train on the plain model it was made from; the embedding works in both.",
        )


def token_text(encoders: Mapping[str, TextEncoder], token_id: int) -> str:
    """The piece as the vocabulary writes it, `</w>` ending a word; bytes that are no text of their own show as `\\xNN`."""
    encoder = next(iter(encoders.values()))
    tokenizer, wrapper = encoder.tokenizer, encoder.wrapper
    piece = tokenizer.decoder.get(token_id)
    if piece is None:
        raise HostError(f"There is no token {token_id}.", "Token ids go from 0 to 49407.")
    if token_id in (wrapper.id_start, wrapper.id_end):
        return str(piece)
    raw = bytes(tokenizer.byte_decoder[letter] for letter in piece.removesuffix("</w>"))
    return raw.decode("utf-8", errors="backslashreplace") + ("</w>" if piece.endswith("</w>") else "")


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
