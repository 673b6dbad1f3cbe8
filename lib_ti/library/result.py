"""What came of making a file: for every face to tell, in its own way."""

from __future__ import annotations

import logging
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lib_ti.embedding.name import name_remark, shadow_warnings
from lib_ti.errors import TIError
from lib_ti.host import EmbeddingFolder, Family, TextModel
from lib_ti.library.listing import walk_library

if TYPE_CHECKING:
    from lib_ti.embedding.embedding import Embedding

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Result:
    """`vectors` counts rows; `notes` say what was left out or changed, and what its name will surprise with in prompts; `remark`
    what is good to know of the name."""

    path: Path
    family: Family | None
    vectors: int
    notes: tuple[str, ...] = ()
    remark: str = ""

    @property
    def remarks(self) -> tuple[str, ...]:
        """All of them, for where a warning looks like any other line."""
        return (*self.notes, *([self.remark] if self.remark else []))

    @property
    def name(self) -> str:
        return self.path.stem

    def noted(self, *notes: str) -> Result:
        return replace(self, notes=(*self.notes, *notes))

    def values(self) -> dict[str, Any]:
        """In JSON's types."""
        family, notes = self.family, list(self.remarks)
        return {"path": str(self.path), "family": family, "vectors": self.vectors, "notes": notes}


def report_result(embedding: Embedding, path: Path, host: TextModel, library: Path | None = None) -> Result:
    """Of an embedding that was saved at `path`; `library` is the folder in which, at any depth, the host looks for others."""
    notes = (*embedding.notes, *shadow_warnings(path.stem, host, other_files(path, library)))
    return Result(path, embedding.family, embedding.rows, notes, name_remark(path.stem, host))


def make_known(host: EmbeddingFolder) -> tuple[str, ...]:
    """Have prompts know what was saved; a note where they may not. Nothing is raised: what was made is made, and what has ended
    a run is what its user must hear of."""
    try:
        host.refresh_embeddings()
    except Exception as error:  # noqa: BLE001, a bug too is told beside what it must not hide
        reason = str(error) if isinstance(error, TIError) else f"{type(error).__name__}: {error}"
        if not isinstance(error, TIError):
            _log.exception("The embeddings could not be read anew")
        return (f"Prompts may not know it yet, for the embeddings could not be read anew. {reason}",)
    return ()


def other_files(path: Path, library: Path | None) -> list[Path]:
    """Whatever lies beside `path` or in the library, but for copies of runs and the pictures on the card of `path`."""
    inside = {here / name for here, _, names in walk_library(library) for name in names} if library else set()
    found = {*path.parent.glob("*"), *inside} - {path}
    cards = {path.with_suffix(kind) for kind in (".png", ".webp", ".jxl", ".avif")}
    return sorted(found - cards)
