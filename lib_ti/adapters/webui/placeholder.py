"""Embeddings that stand, for the time of one prompt, among those that a WebUI's prompts know."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

embeddings_in_use = threading.RLock()
"""Held while the WebUI's tables of embeddings are not as its folder is, so that nobody reads the folder anew meanwhile."""


@contextmanager
def registered(database: Any, register: Callable[[], Any], name: str, ids: Sequence[int]) -> Iterator[None]:
    """`register()` puts an embedding called `name`, token ids `ids`, into the WebUI's `database`; afterwards the one loaded
    before is back. Meanwhile no other of the same ids is found, such as one whose name differs in case.

    Not for longer than a prompt: a page that lists embeddings anew would lose it.
    """
    with embeddings_in_use:
        loaded, candidates = database.word_embeddings.get(name), database.ids_lookup.get(ids[0])
        if candidates is not None:  # the WebUI would add to the very list that is to come back
            database.ids_lookup[ids[0]] = [entry for entry in candidates if list(entry[0]) != list(ids)]
        register()
        ours = database.word_embeddings[name]
        try:
            yield
        finally:
            # Where the WebUI has read its folder anew meanwhile, ours went with the rest.
            if database.word_embeddings.get(name) is ours:
                _put_back(database.word_embeddings, name, loaded)
                _put_back(database.ids_lookup, ids[0], candidates)


def count_rows(encoder: Any, prompt: str, embedding: Any) -> int:
    """Rows of `embedding` that `encoder` (the WebUI's object around a text encoder) really reads in `prompt`.

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
