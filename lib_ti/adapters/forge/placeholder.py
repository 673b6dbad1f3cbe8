"""The embedding in training, for the time of one prompt, among the embeddings of each of Forge's text encoders."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from functools import partial
from typing import TYPE_CHECKING, Any

from lib_ti.adapters.forge.model import find_engines
from lib_ti.adapters.webui.placeholder import registered

if TYPE_CHECKING:
    from torch import Tensor


@contextmanager
def placeholder(sd_model: Any, name: str, rows: int, vectors: Mapping[str, Tensor]) -> Iterator[Any]:
    """In prompts `name` stands for `vectors` ([rows, D] by encoder), also where a file of that name is loaded.

    Yields Forge's object for it.
    """
    from backend.text_processing.textual_inversion import Embedding

    embedding = Embedding(dict(vectors), name)
    embedding.vectors = rows
    embedding.shape = sum(tensor.shape[1] for tensor in vectors.values())
    with ExitStack() as stack:
        for engine in find_engines(sd_model):
            database = engine.embeddings
            register = partial(database.register_embedding, embedding)
            stack.enter_context(registered(database, register, name, engine.tokenize([name])[0][0]))
        yield embedding
