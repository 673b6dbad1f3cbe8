"""The embeddings of a folder, for prompts."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

from lib_ti.embedding.embedding import Embedding
from lib_ti.errors import InvalidEmbedding
from lib_ti.formats.files import load_embedding
from lib_ti.host import ModelInfo

_SUFFIXES = (".safetensors", ".pt", ".bin", ".png", ".webp")


def load_folder(folder: Path, model: ModelInfo, besides: Path) -> dict[str, Embedding]:
    """Every embedding under `folder` that fits `model`, by the name that prompts call it.

    Those for other models, and files that are none, are passed over; so are copies of runs under `besides`. Of two
    with one name the one nearer to the top wins.
    """
    fitting: dict[str, Embedding] = {}
    for path in sorted(folder.rglob("*"), key=lambda path: (len(path.parts), path)):
        if path.suffix.lower() not in _SUFFIXES or not path.is_file() or besides in path.parents:
            continue
        changed = path.stat()
        embedding = _load(path, changed.st_mtime_ns, changed.st_size)
        if embedding is None:
            continue
        try:
            fitting.setdefault(embedding.name, embedding.fit_to(model))
        except InvalidEmbedding:
            continue
    return fitting


@lru_cache(maxsize=10_000)
def _load(path: Path, changed: int, size: int) -> Embedding | None:
    """Read again only when the file has changed; None for a file that is no embedding."""
    try:
        return load_embedding(path)
    except InvalidEmbedding:
        return None
