"""What a WebUI of Forge's second kind has chosen and loaded (`ForgeDiffusionEngine`): Forge itself, Forge Neo and their like."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch

from lib_ti.adapters.webui.model import TextEncoder, by_name, loaded_model, model_info, next_schedule, validate_plain
from lib_ti.errors import HostError, UnsupportedModel
from lib_ti.host import ModelInfo

if TYPE_CHECKING:
    from torch import Tensor

_ENGINES = ("text_processing_engine", "text_processing_engine_l", "text_processing_engine_g")
_DIFFERENTIABLE = (
    torch.float32,
    torch.float16,
    torch.bfloat16,
    getattr(torch, "float8_e4m3fn", None),
    getattr(torch, "float8_e5m2", None),
)


def pending_model() -> str:
    """The name of the chosen checkpoint where it is not the loaded one; Forge loads it with the next picture."""
    from modules import sd_models, shared

    data = sd_models.model_data
    if hasattr(data.sd_model, "forge_objects") and data.forge_hash == str(data.forge_loading_parameters):
        return ""
    chosen = data.forge_loading_parameters.get("checkpoint_info")
    return str(chosen.model_name if chosen else shared.opts.sd_model_checkpoint or "the chosen checkpoint")


def load_chosen() -> Any:
    """What Forge does before each picture. Raises HostError where it cannot."""
    from modules import sd_models
    from modules_forge import main_entry

    name = pending_model()
    if name:
        if not sd_models.model_data.forge_loading_parameters:
            main_entry.refresh_model_loading_parameters()
        try:
            sd_models.forge_model_reload()
        except Exception as error:  # of any kind: Neo calls a model it does not know an ImportError
            sd_models.model_data.forge_hash = ""  # else Forge takes the model before for loaded when it is chosen again
            raise HostError(f"The WebUI could not load {name}: {error}", "Choose another checkpoint.") from error
    return loaded_model()


def find_engines(sd_model: Any) -> list[Any]:
    """Forge's objects around its text encoders that know embeddings; none for models that are none of ours."""
    found = (getattr(sd_model, name, None) for name in _ENGINES)
    return [engine for engine in found if hasattr(engine, "embeddings") and hasattr(engine, "tokenize_line")]


def find_encoders(sd_model: Any) -> dict[str, TextEncoder]:
    encoders = []
    for engine in find_engines(sd_model):
        layer = engine.text_encoder.transformer.text_model.embeddings.token_embedding
        encoders.append(TextEncoder(engine, getattr(layer, "wrapped", layer).weight))
    return by_name(encoders)


def describe(sd_model: Any) -> ModelInfo:
    """Raises UnsupportedModel for what is none of SD1, SD2 and SDXL."""
    predictor = sd_model.forge_objects.unet.model.predictor
    return model_info(sd_model, find_encoders(sd_model), predictor.prediction_type)


def validate_trainable(sd_model: Any) -> None:
    """Raises UnsupportedModel for what no gradient can be taken in."""
    unet = sd_model.forge_objects.unet.model
    validate_plain(sd_model, unet.diffusion_model.in_channels)
    if unet.storage_dtype not in _DIFFERENTIABLE:
        raise UnsupportedModel(
            f"{sd_model.sd_checkpoint_info.model_name} has its weights packed as {unet.storage_dtype}.",
            "Train on the same model in fp16, bf16 or fp8, and choose no packing under Diffusion in Low Bits; "
            "the embedding works in both.",
        )
    if not hasattr(unet.predictor, "alphas_cumprod"):
        raise UnsupportedModel(
            f"{sd_model.sd_checkpoint_info.model_name} was made for noise without steps ({type(unet.predictor).__name__}).",
            "Choose a checkpoint that predicts noise or v in 1000 steps.",
        )


def noise_schedule(sd_model: Any) -> Tensor:
    """alphas_cumprod, [1000] float32 on the CPU, as the next picture will use it."""
    return next_schedule(sd_model, sd_model.forge_objects.unet.model.predictor.alphas_cumprod)
