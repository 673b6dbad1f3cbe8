"""The embedding in training, for the time of one prompt, among the embeddings that the WebUI's prompts know."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from torch import Tensor

embeddings_in_use = threading.RLock()
"""Held while the WebUI's table of embeddings is not as its folder is, so that nobody reads the folder anew meanwhile."""


@contextmanager
def placeholder(sd_model: Any, name: str, rows: int, vectors: Mapping[str, Tensor]) -> Iterator[Any]:
    """In prompts `name` stands for `vectors` ([rows, D] by encoder), also where a file of that name is loaded.

    Yields the WebUI's object for it. Not for longer than a prompt: a page that lists embeddings anew would lose it.
    """
    from modules.sd_hijack import model_hijack
    from modules.textual_inversion.textual_inversion import Embedding

    values = dict(vectors)
    embedding = Embedding(next(iter(values.values())) if len(values) == 1 else values, name)
    embedding.vectors = rows
    embedding.shape = sum(tensor.shape[1] for tensor in values.values())

    database = model_hijack.embedding_db
    first = sd_model.cond_stage_model.tokenize([name])[0][0]
    with embeddings_in_use:
        loaded, candidates = database.word_embeddings.get(name), database.ids_lookup.get(first)
        database.register_embedding(embedding, sd_model)
        try:
            yield embedding
        finally:
            # Where the WebUI has read its folder anew meanwhile, ours went with the rest.
            if database.word_embeddings.get(name) is embedding:
                _put_back(database.word_embeddings, name, loaded)
                _put_back(database.ids_lookup, first, candidates)


def count_rows(encoder: Any, prompt: str, embedding: Any) -> int:
    """Rows of `embedding` that `encoder` (the WebUI's wrapper) really reads in `prompt`.

    When the WebUI moves the words after a comma to the next 75 tokens, an embedding among them stays behind, where it
    overwrites padding: such rows, whose tokens are gone, are not counted.
    """
    chunks, _ = encoder.tokenize_line(prompt)
    rows: int = embedding.vectors
    places = [(chunk.tokens, fix.offset + 1) for chunk in chunks for fix in chunk.fixes if fix.embedding is embedding]
    return rows * sum(not any(tokens[start : start + rows]) for tokens, start in places)


def _put_back(table: dict[Any, Any], key: Any, value: Any) -> None:
    if value is None:
        del table[key]
    else:
        table[key] = value
