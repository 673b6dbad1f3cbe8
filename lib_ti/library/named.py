"""The embeddings of a folder as expressions name them: known by their headers, loaded only when one is used."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from lib_ti.formats.files import Header, load_embedding
from lib_ti.host import ModelInfo
from lib_ti.library.listing import Entry

if TYPE_CHECKING:
    from lib_ti.embedding.embedding import Embedding


class FolderEmbeddings(Mapping[str, "Embedding"]):
    """`entries` are those of a folder. Of files with one name those that fit `model` come first, then the one
    nearest to the top; what does not fit is told when it is used.

    Getting one loads its file anew: InvalidEmbedding where it is no good, KeyError where it is gone.
    """

    def __init__(self, entries: Iterable[Entry], model: ModelInfo) -> None:
        self.headers: dict[str, Header] = {}
        self._paths: dict[str, Path] = {}
        for entry in sorted(entries, key=lambda entry: entry.match(model) == "misfit"):
            if entry.header and entry.name not in self.headers:
                self.headers[entry.name], self._paths[entry.name] = entry.header, entry.path
        self.names = tuple(self._paths)

    def __getitem__(self, name: str) -> Embedding:
        path = self._paths[name]
        if not path.exists():
            raise KeyError(name)
        return load_embedding(path)

    def __iter__(self) -> Iterator[str]:
        return iter(self._paths)

    def __len__(self) -> int:
        return len(self._paths)
