"""The host inside A1111's WebUI and those that keep its model objects (`LatentDiffusion`, `DiffusionEngine`)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, closing, contextmanager
from typing import TYPE_CHECKING, Any

from lib_ti.adapters.a1111 import model
from lib_ti.adapters.webui.host import WebuiHost
from lib_ti.host import SessionRequest

if TYPE_CHECKING:
    from torch import Tensor

    from lib_ti.adapters.a1111.session import A1111Session


class A1111Host(WebuiHost):
    kind = model

    def _databases(self, sd_model: Any) -> list[Any]:
        from modules.sd_hijack import model_hijack

        return [model_hijack.embedding_db]

    def _read_embeddings(self) -> None:
        from modules import sd_models
        from modules.sd_hijack import model_hijack

        if sd_models.model_data.sd_model is not None:  # a model that is loaded later reads the folder then
            model_hijack.embedding_db.load_textual_inversion_embeddings(force_reload=True)

    def _placeholder(
        self, sd_model: Any, name: str, rows: int, vectors: Mapping[str, Tensor]
    ) -> AbstractContextManager[Any]:
        from lib_ti.adapters.a1111.placeholder import placeholder

        return placeholder(sd_model, name, rows, vectors)

    @contextmanager
    def _ready_session(self, sd_model: Any, request: SessionRequest) -> Iterator[A1111Session]:
        from lib_ti.adapters.a1111.ready import model_ready
        from lib_ti.adapters.a1111.session import A1111Session

        with (
            model_ready(sd_model, request.checkpointing, request.networks),
            closing(A1111Session(sd_model, request)) as session,
        ):
            yield session
