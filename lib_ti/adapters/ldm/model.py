"""What the WebUI has loaded, told by what it can do and never by the WebUI's name."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

from lib_ti.errors import HostError, UnsupportedModel
from lib_ti.host import EncoderInfo, Family, ModelInfo, PredictionType

if TYPE_CHECKING:
    from torch import Tensor

_NAMES = {768: "clip_l", 1024: "clip_h", 1280: "clip_g"}
_FAMILIES: dict[tuple[str, ...], Family] = {("clip_l",): "sd1", ("clip_h",): "sd2", ("clip_l", "clip_g"): "sdxl"}
_PREDICTIONS: dict[str, PredictionType] = {"eps": "epsilon", "v": "v_prediction"}
NATIVE_SIDES: dict[Family, int] = {"sd1": 512, "sd2": 512, "sdxl": 1024}
_ZERO_SNR = "Zero Terminal SNR"


@dataclass(frozen=True)
class TextEncoder:
    """`wrapper` is the WebUI's module around one text encoder; `table` its token vectors, [vocabulary, D]."""

    name: str
    wrapper: Any
    table: Tensor

    @property
    def tokenizer(self) -> Any:
        """CLIP's: transformers' in one encoder, open_clip's in the others; `decoder` and `byte_decoder` are in both."""
        import open_clip.tokenizer

        return getattr(self.wrapper.wrapped, "tokenizer", None) or open_clip.tokenizer._tokenizer


def loaded_model() -> Any:
    """The WebUI's model object, without making it load one. Raises HostError where there is none."""
    from modules import sd_models

    sd_model = sd_models.model_data.sd_model
    if sd_model is None:
        raise HostError("The WebUI has not loaded a model yet.", "Wait until it has, or choose a checkpoint.")
    return sd_model


def find_encoders(sd_model: Any) -> dict[str, TextEncoder]:
    """By name, in the order in which prompts go through them; empty for models that are none of ours."""
    conditioner = getattr(sd_model, "conditioner", None)
    parts = [getattr(sd_model, "cond_stage_model", None)] if conditioner is None else list(conditioner.embedders)
    encoders = {}
    for wrapper in parts:
        layer = _token_layer(wrapper)
        if layer is None or not hasattr(wrapper, "tokenize_line"):
            continue
        table = getattr(layer, "wrapped", layer).weight
        name = _NAMES.get(table.shape[1], "")
        encoders[name] = TextEncoder(name, wrapper, table)
    return encoders


def describe(sd_model: Any) -> ModelInfo:
    """Raises UnsupportedModel for what is none of SD1, SD2 and SDXL."""
    encoders = find_encoders(sd_model)
    info = sd_model.sd_checkpoint_info
    family = _FAMILIES.get(tuple(encoders))
    prediction_type = _PREDICTIONS.get(getattr(sd_model, "parameterization", ""))
    if family is None or prediction_type is None:
        found = ", ".join(filter(None, encoders)) or type(getattr(sd_model, "cond_stage_model", None)).__name__
        raise UnsupportedModel(
            f"{info.model_name} is no SD1, SD2 or SDXL model (its text encoders: {found}).",
            "Choose a checkpoint of one of these families; a refiner or SD3 has other text encoders.",
        )
    return ModelInfo(
        name=info.model_name,
        short_hash=info.shorthash or "",
        family=family,
        encoders=tuple(
            EncoderInfo(name, encoder.table.shape[1], encoder.wrapper.id_pad) for name, encoder in encoders.items()
        ),
        prediction_type=prediction_type,
        native_size=768 if (family, prediction_type) == ("sd2", "v_prediction") else NATIVE_SIDES[family],
        zero_terminal_snr=_zero_terminal_snr(),
    )


def prove_trainable(sd_model: Any) -> None:
    """Raises UnsupportedModel, or HostError for a way of running the model in which no gradient can be taken."""
    from modules import shared

    channels = sd_model.model.diffusion_model.in_channels
    if sd_model.model.conditioning_key != "crossattn" or channels != 4:
        raise UnsupportedModel(
            f"{sd_model.sd_checkpoint_info.model_name} is an inpainting, editing or depth model: its UNet reads "
            f"{channels} channels.",
            "Train on the plain model it was made from; the embedding works in both.",
        )
    if shared.cmd_opts.lowvram:
        raise HostError(
            "With --lowvram the WebUI moves the UNet through memory piece by piece, so that no gradient can be taken.",
            "Start the WebUI with --medvram or without either.",
        )


def noise_schedule(sd_model: Any) -> Tensor:
    """alphas_cumprod, [1000] float32 on the CPU, as the next picture will use it: the model's own field is the last picture's."""
    from modules import sd_models

    alphas_cumprod = getattr(sd_model, "alphas_cumprod_original", sd_model.alphas_cumprod).detach().float().cpu()
    if _zero_terminal_snr():
        alphas_cumprod = sd_models.rescale_zero_terminal_snr_abar(alphas_cumprod)
    return cast("Tensor", alphas_cumprod)


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


def _token_layer(wrapper: Any) -> Any:
    inner: Any = getattr(wrapper, "wrapped", None)
    text_model = getattr(getattr(inner, "transformer", None), "text_model", None)
    if text_model is not None:
        return text_model.embeddings.token_embedding
    return getattr(getattr(inner, "model", None), "token_embedding", None)


def _zero_terminal_snr() -> bool:
    from modules import shared

    return bool(shared.opts.sd_noise_schedule == _ZERO_SNR)
