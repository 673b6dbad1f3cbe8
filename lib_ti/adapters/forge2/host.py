"""The host inside Forge and those that have its second backend (`backend`, `ForgeDiffusionEngine`)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from typing import TYPE_CHECKING, Any

from lib_ti.adapters.forge2 import model
from lib_ti.adapters.webui.host import WebuiHost
from lib_ti.host import ModelInfo, SessionRequest

if TYPE_CHECKING:
    from torch import Tensor

    from lib_ti.adapters.forge2.session import ForgeSession
    from lib_ti.adapters.webui.model import TextEncoder


class Forge2Host(WebuiHost):
    def pending_model(self) -> str:
        return model.pending_model()

    def _load_chosen(self) -> Any:
        return model.load_chosen()

    def _describe(self, sd_model: Any) -> ModelInfo:
        return model.describe(sd_model)

    def _find_encoders(self, sd_model: Any) -> dict[str, TextEncoder]:
        return model.find_encoders(sd_model)

    def _databases(self, sd_model: Any) -> list[Any]:
        return [engine.embeddings for engine in model.find_engines(sd_model)]

    def _read_embeddings(self) -> None:
        from modules import sd_models

        if hasattr(
            sd_models.model_data.sd_model, "forge_objects"
        ):  # a model that is loaded later reads the folder then
            for database in self._databases(sd_models.model_data.sd_model):
                database.load_textual_inversion_embeddings()

    def _placeholder(
        self, sd_model: Any, name: str, rows: int, vectors: Mapping[str, Tensor]
    ) -> AbstractContextManager[Any]:
        from lib_ti.adapters.forge2.placeholder import placeholder

        return placeholder(sd_model, name, rows, vectors)

    @contextmanager
    def _ready_session(self, sd_model: Any, request: SessionRequest) -> Iterator[ForgeSession]:
        from lib_ti.adapters.forge2.ready import model_ready
        from lib_ti.adapters.forge2.session import ForgeSession

        model.prove_trainable(sd_model)
        with model_ready(sd_model, request.checkpointing, request.networks):
            yield ForgeSession(sd_model, request)
