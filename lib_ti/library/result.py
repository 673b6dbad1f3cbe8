"""What came of making a file: for every face to tell, in its own way."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lib_ti.embedding.name import shadow_warnings
from lib_ti.host import Family, TextModel
from lib_ti.library.listing import walk_library

if TYPE_CHECKING:
    from lib_ti.embedding.embedding import Embedding


@dataclass(frozen=True)
class Result:
    """`vectors` counts rows; `notes` say what was left out or changed, and what its name will surprise with in prompts."""

    path: Path
    family: Family | None
    vectors: int
    notes: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        return self.path.stem

    def values(self) -> dict[str, Any]:
        """In JSON's types."""
        family, notes = self.family, list(self.notes)
        return {"path": str(self.path), "family": family, "vectors": self.vectors, "notes": notes}


def report_result(embedding: Embedding, path: Path, host: TextModel, library: Path | None = None) -> Result:
    """Of an embedding that was saved at `path`; `library` is the folder in which, at any depth, the host looks for others."""
    notes = (*embedding.notes, *shadow_warnings(path.stem, host, other_files(path, library)))
    return Result(path, embedding.family, embedding.rows, notes)


def other_files(path: Path, library: Path | None) -> list[Path]:
    """Whatever lies beside `path` or in the library, but for copies of runs and the pictures on the card of `path`."""
    inside = {here / name for here, _, names in walk_library(library) for name in names} if library else set()
    found = {*path.parent.glob("*"), *inside} - {path}
    cards = {path.with_suffix(kind) for kind in (".png", ".webp", ".jxl", ".avif")}
    return sorted(found - cards)
