"""Our own host, on diffusers and transformers. Importing it is cheap: the model is loaded by the first real work."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from lib_ti.adapters.standalone import tokenizer
from lib_ti.adapters.standalone.checkpoint import short_hash
from lib_ti.adapters.standalone.samplers import sampler_names, validate_sampler
from lib_ti.adapters.standalone.source import Source
from lib_ti.errors import Busy, HostError, TIError, collected, raise_together
from lib_ti.host import ImageRequest, ModelInfo, SessionRequest, Vectors

if TYPE_CHECKING:
    from PIL.Image import Image
    from torch import Tensor

    from lib_ti.adapters.standalone.model import Model
    from lib_ti.adapters.standalone.session import EmbeddingFolder, StandaloneSession
    from lib_ti.embedding.embedding import Embedding


_FULL_WIDTH = 320
"""Channels of the first block of every public UNet; our own are narrower, and need next to nothing."""


class StandaloneHost:
    def __init__(self, source: Source, device: str, dtype: str, embeddings: Path, logs: Path) -> None:
        self._source = source
        self._device = device
        self._dtype = dtype
        self._embeddings = embeddings
        self._logs = logs
        self._model_in_use = threading.Lock()
        self._tables: dict[str, Tensor] = {}

    def model(self) -> ModelInfo:
        detected = self._source.detected
        return ModelInfo(
            name=self._source.name,
            short_hash=short_hash(self._source.hashed_file),
            family=detected.family,
            encoders=detected.encoders,
            prediction_type=detected.prediction_type,
            native_size=detected.native_size,
            pixel_multiple=detected.pixel_multiple,
            zero_terminal_snr=detected.zero_terminal_snr,
        )

    def tokenize(self, text: str) -> list[int]:
        return tokenizer.tokenize(text)

    def token_text(self, token_id: int) -> str:
        return tokenizer.token_text(token_id)

    def token_vectors(self, ids: Sequence[int], encoder: str) -> Tensor:
        return self._table(encoder)[list(ids)]

    def all_token_vectors(self, encoder: str) -> Tensor:
        return self._table(encoder).clone()

    def embeddings_folder(self) -> Path:
        return self._embeddings

    def log_folder(self) -> Path:
        return self._logs

    def template_folders(self) -> list[Path]:
        return []

    def refresh_embeddings(self) -> None:
        """Every session and every picture reads the folder anew."""

    @contextmanager
    def training_session(self, request: SessionRequest) -> Iterator[StandaloneSession]:
        from lib_ti.adapters.restore import modules_kept, random_state_kept
        from lib_ti.adapters.standalone.networks import checkpointing
        from lib_ti.adapters.standalone.session import StandaloneSession

        self.validate_session(request)
        with ExitStack() as stack:
            model = stack.enter_context(self._exclusive_model())
            stack.enter_context(random_state_kept(model.device))
            stack.enter_context(modules_kept(model.networks.modules()))
            stack.enter_context(checkpointing(model.networks.unet, request.checkpointing))
            stack.callback(model.images.recall)
            yield StandaloneSession(model, request, self._folder_embeddings())

    def validate_session(self, request: SessionRequest) -> None:
        from lib_ti.adapters.standalone.model import choose_device, choose_dtype

        errors: list[TIError] = []
        if request.networks:
            errors.append(HostError("LoRAs work in WebUIs only.", "Train without, or in the WebUI.", "run.networks"))
        with collected(errors):
            choose_dtype(self._dtype, choose_device(self._device))
        raise_together(errors)

    def placeholder_rows(self, prompts: Sequence[str], request: SessionRequest) -> list[dict[str, int]] | None:
        from lib_ti.adapters.standalone.chunks import count_rows
        from lib_ti.adapters.standalone.session import names_in_training

        names = names_in_training(self._folder_embeddings(), request)
        return [{name: count_rows(prompt, names, name) for name in request.rows} for prompt in prompts]

    def update_memory(self, shape: Sequence[int], checkpointing: bool) -> tuple[int, int] | None:
        from lib_ti.adapters.memory import free_memory, training_room
        from lib_ti.adapters.standalone.model import choose_device, choose_dtype

        detected, device = self._source.detected, choose_device(self._device)
        if detected.networks["unet"]["block_out_channels"][0] < _FULL_WIDTH:
            return None
        free, dtype = free_memory(device), choose_dtype(self._dtype, device)
        return (training_room(shape, dtype, checkpointing, detected.family == "sdxl"), free) if free else None

    def validate_picture(self, request: ImageRequest) -> None:
        validate_sampler(request.sampler)

    def generate(self, request: ImageRequest, extra: Vectors | None = None) -> Image:
        from lib_ti.adapters.standalone.chunks import Names

        with self._exclusive_model() as model:
            vectors = {name: e.vectors for name, e in self._folder_embeddings().items()} | dict(extra or {})
            names = Names({name: len(next(iter(matrices.values()))) for name, matrices in vectors.items()})
            return model.generate(request, names, vectors)

    def samplers(self) -> list[str]:
        return sampler_names()

    @contextmanager
    def _exclusive_model(self) -> Iterator[Model]:
        if not self._model_in_use.acquire(blocking=False):
            raise Busy("The model is in use by another job.", "Wait until it is done, or stop it.")
        try:
            yield self._model
        finally:
            self._model_in_use.release()

    @cached_property
    def _model(self) -> Model:
        from lib_ti.adapters.standalone.model import choose_device, choose_dtype, load_model

        device = choose_device(self._device)
        return load_model(self._source.path, self._source.detected, device, choose_dtype(self._dtype, device))

    def _table(self, encoder: str) -> Tensor:
        if encoder not in self._tables:
            self._tables[encoder] = self._source.load_table(encoder).float()
        return self._tables[encoder]

    def _folder_embeddings(self) -> dict[str, Embedding]:
        return self._folder.fitting(self.model())

    @cached_property
    def _folder(self) -> EmbeddingFolder:
        from lib_ti.adapters.standalone.session import EmbeddingFolder

        return EmbeddingFolder(self._embeddings, besides=self._logs)
