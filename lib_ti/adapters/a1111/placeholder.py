"""The embedding in training, for the time of one prompt, among the embeddings that the WebUI's prompts know."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from lib_ti.adapters.webui.model import device_of
from lib_ti.adapters.webui.placeholder import registered

if TYPE_CHECKING:
    from torch import Tensor


@contextmanager
def placeholder(sd_model: Any, name: str, rows: int, vectors: Mapping[str, Tensor]) -> Iterator[Any]:
    """In prompts `name` stands for `vectors` ([rows, D] by encoder), also where a file of that name is loaded.

    Yields the WebUI's object for it.
    """
    from modules.sd_hijack import model_hijack
    from modules.textual_inversion.textual_inversion import Embedding

    values = {key: matrix.to(device_of(sd_model, "clip", matrix.device)) for key, matrix in vectors.items()}
    embedding = Embedding(next(iter(values.values())) if len(values) == 1 else values, name)
    embedding.vectors = rows
    embedding.shape = sum(tensor.shape[1] for tensor in values.values())
    database = model_hijack.embedding_db
    first = sd_model.cond_stage_model.tokenize([name])[0][0]
    with registered(database, lambda: database.register_embedding(embedding, sd_model), name, first):
        yield embedding
