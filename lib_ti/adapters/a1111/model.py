"""What A1111 and those that keep its model objects (`LatentDiffusion`, `DiffusionEngine`) have chosen and loaded."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

from lib_ti.adapters.webui.memory import manages_memory
from lib_ti.adapters.webui.model import TextEncoder, by_name, loaded_model, model_info, next_schedule, validate_plain
from lib_ti.errors import HostError
from lib_ti.host import ModelInfo

if TYPE_CHECKING:
    import torch
    from torch import Tensor


def pending_model() -> str:
    """The name of the chosen checkpoint where none is loaded."""
    from modules import sd_models, shared

    if sd_models.model_data.sd_model is not None:
        return ""
    return str(shared.opts.sd_model_checkpoint or "the chosen checkpoint")


def load_chosen() -> Any:
    """What the WebUI does before each picture. Raises HostError where it cannot."""
    from modules import sd_models, shared

    if shared.sd_model is not None:  # asking for it loads the first one
        try:
            sd_models.reload_model_weights()
        except Exception as error:  # of any kind, as its loaders are many
            name = shared.opts.sd_model_checkpoint
            raise HostError(f"The WebUI could not load {name}: {error}", "Choose another checkpoint.") from error
    return loaded_model()


def find_encoders(sd_model: Any) -> dict[str, TextEncoder]:
    """Empty for models that are none of ours."""
    conditioner = getattr(sd_model, "conditioner", None)
    parts = [getattr(sd_model, "cond_stage_model", None)] if conditioner is None else list(conditioner.embedders)
    encoders = []
    for wrapper in parts:
        layer = _token_layer(wrapper)
        if layer is not None and hasattr(wrapper, "tokenize_line"):
            encoders.append(TextEncoder(wrapper, getattr(layer, "wrapped", layer).weight))
    return by_name(encoders)


def describe(sd_model: Any) -> ModelInfo:
    """Raises UnsupportedModel for what is none of SD1, SD2 and SDXL."""
    return model_info(sd_model, find_encoders(sd_model), getattr(sd_model, "parameterization", ""))


def validate_trainable(sd_model: Any) -> None:
    """Raises UnsupportedModel, or HostError for a way of running the model in which no gradient can be taken."""
    from modules import shared

    validate_plain(sd_model, sd_model.model.diffusion_model.in_channels, sd_model.model.conditioning_key == "crossattn")
    if getattr(shared.cmd_opts, "lowvram", False) and not manages_memory(sd_model):
        raise HostError(
            "With --lowvram the WebUI moves the UNet through memory piece by piece, so that no gradient can be taken.",
            "Start the WebUI with --medvram or without either.",
        )


def unet_dtype(sd_model: Any) -> torch.dtype:
    """In which its UNet computes."""
    from modules import devices

    if not manages_memory(sd_model):
        return cast("torch.dtype", devices.dtype_unet)
    unet = sd_model.forge_objects.unet.model
    return cast("torch.dtype", unet.manual_cast_dtype or unet.get_dtype())


def noise_schedule(sd_model: Any) -> Tensor:
    """alphas_cumprod, [1000] float32 on the CPU, as the next picture will use it: the model's own field is the last picture's."""
    return next_schedule(sd_model, getattr(sd_model, "alphas_cumprod_original", sd_model.alphas_cumprod))


def _token_layer(wrapper: Any) -> Any:
    inner: Any = getattr(wrapper, "wrapped", None)
    text_model = getattr(getattr(inner, "transformer", None), "text_model", None)
    if text_model is not None:
        return text_model.embeddings.token_embedding
    return getattr(getattr(inner, "model", None), "token_embedding", None)
