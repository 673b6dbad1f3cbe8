"""The host inside Forge and those that have its second backend (`backend`, `ForgeDiffusionEngine`)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from typing import TYPE_CHECKING, Any

from lib_ti.adapters.forge import model
from lib_ti.adapters.webui.host import WebuiHost
from lib_ti.host import SessionRequest

if TYPE_CHECKING:
    from torch import Tensor

    from lib_ti.adapters.forge.session import ForgeSession


class ForgeHost(WebuiHost):
    kind = model

    def _databases(self, sd_model: Any) -> list[Any]:
        return [engine.embeddings for engine in model.find_engines(sd_model)]

    def _read_embeddings(self) -> None:
        from modules import sd_models

        sd_model = sd_models.model_data.sd_model
        if hasattr(sd_model, "forge_objects"):  # a model that is loaded later reads the folder then
            for database in self._databases(sd_model):
                database.load_textual_inversion_embeddings()

    def _placeholder(
        self, sd_model: Any, name: str, rows: int, vectors: Mapping[str, Tensor]
    ) -> AbstractContextManager[Any]:
        from lib_ti.adapters.forge.placeholder import placeholder

        return placeholder(sd_model, name, rows, vectors)

    @contextmanager
    def _ready_session(self, sd_model: Any, request: SessionRequest) -> Iterator[ForgeSession]:
        from lib_ti.adapters.forge.ready import model_ready
        from lib_ti.adapters.forge.session import ForgeSession

        with model_ready(sd_model, request.checkpointing, request.networks):
            yield ForgeSession(sd_model, request)
