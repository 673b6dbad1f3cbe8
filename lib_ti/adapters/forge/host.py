"""The host inside Forge and those that have its second backend (`backend`, `ForgeDiffusionEngine`)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from functools import partial
from typing import TYPE_CHECKING, Any

import torch

from lib_ti.adapters.webui.host import WebuiHost
from lib_ti.adapters.webui.model import TextEncoder, by_name, loaded_model, model_info, validate_plain
from lib_ti.adapters.webui.placeholder import registered
from lib_ti.errors import HostError, UnsupportedModel
from lib_ti.host import ModelInfo, SessionRequest

if TYPE_CHECKING:
    from torch import Tensor

    from lib_ti.adapters.forge.session import ForgeSession

_ENGINES = ("text_processing_engine", "text_processing_engine_l", "text_processing_engine_g")
_DIFFERENTIABLE = (
    torch.float32,
    torch.float16,
    torch.bfloat16,
    getattr(torch, "float8_e4m3fn", None),
    getattr(torch, "float8_e5m2", None),
)


class ForgeHost(WebuiHost):
    def pending_model(self) -> str:
        """The name of the chosen checkpoint where it is not the loaded one; Forge loads it with the next picture."""
        from modules import sd_models, shared

        data = sd_models.model_data
        if hasattr(data.sd_model, "forge_objects") and data.forge_hash == str(data.forge_loading_parameters):
            return ""
        chosen = data.forge_loading_parameters.get("checkpoint_info")
        return str(chosen.model_name if chosen else shared.opts.sd_model_checkpoint or "the chosen checkpoint")

    def _load_chosen(self) -> Any:
        from modules import sd_models
        from modules_forge import main_entry

        name = self.pending_model()
        if name:
            if not sd_models.model_data.forge_loading_parameters:
                main_entry.refresh_model_loading_parameters()
            try:
                sd_models.forge_model_reload()
            except Exception as error:  # of any kind: Neo calls a model it does not know an ImportError
                # Else Forge takes the model before for loaded when it is chosen again.
                sd_models.model_data.forge_hash = ""
                raise HostError(f"The WebUI could not load {name}: {error}", "Choose another checkpoint.") from error
        return loaded_model()

    def _describe(self, sd_model: Any) -> ModelInfo:
        predictor = sd_model.forge_objects.unet.model.predictor
        return model_info(sd_model, self._find_encoders(sd_model), predictor.prediction_type)

    def _find_encoders(self, sd_model: Any) -> dict[str, TextEncoder]:
        encoders = []
        for engine in _find_engines(sd_model):
            layer = engine.text_encoder.transformer.text_model.embeddings.token_embedding
            encoders.append(TextEncoder(engine, getattr(layer, "wrapped", layer).weight))
        return by_name(encoders)

    def _validate_trainable(self, sd_model: Any) -> None:
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
                f"{sd_model.sd_checkpoint_info.model_name} was made for noise without steps "
                f"({type(unet.predictor).__name__}).",
                "Choose a checkpoint that predicts noise or v in 1000 steps.",
            )

    def _databases(self, sd_model: Any) -> list[Any]:
        return [engine.embeddings for engine in _find_engines(sd_model)]

    def _read_embeddings(self) -> None:
        from modules import sd_models

        sd_model = sd_models.model_data.sd_model
        if hasattr(sd_model, "forge_objects"):  # a model that is loaded later reads the folder then
            for database in self._databases(sd_model):
                database.load_textual_inversion_embeddings()

    @contextmanager
    def _placeholder(self, sd_model: Any, name: str, rows: int, vectors: Mapping[str, Tensor]) -> Iterator[Any]:
        from backend.text_processing.textual_inversion import Embedding

        embedding = Embedding(dict(vectors), name)
        embedding.vectors = rows
        embedding.shape = sum(tensor.shape[1] for tensor in vectors.values())
        with ExitStack() as stack:
            for engine in _find_engines(sd_model):
                database = engine.embeddings
                register = partial(database.register_embedding, embedding)
                stack.enter_context(registered(database, register, name, engine.tokenize([name])[0]))
            yield embedding

    @contextmanager
    def _ready_session(self, sd_model: Any, request: SessionRequest) -> Iterator[ForgeSession]:
        from lib_ti.adapters.forge.session import ForgeSession, model_ready

        engines = _find_engines(sd_model)
        placeholders = partial(self._placeholders, sd_model)
        with model_ready(sd_model, engines, request.checkpointing, request.networks):
            yield ForgeSession(sd_model, self._describe(sd_model), engines, placeholders, request)


def _find_engines(sd_model: Any) -> list[Any]:
    """Forge's objects around its text encoders that know embeddings; none for models that are none of ours."""
    found = (getattr(sd_model, name, None) for name in _ENGINES)
    return [engine for engine in found if hasattr(engine, "embeddings") and hasattr(engine, "tokenize_line")]
