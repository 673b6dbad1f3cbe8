"""The columns of Inspect's tables, for every face: tab, command line and API. A figure more is a line more in `Figures`.

No torch here: whoever shows a table need not wait for it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, fields
from typing import TYPE_CHECKING, Any

from lib_ti.inspect.line import Line

if TYPE_CHECKING:
    import torch


def figure(heading: str, measure: Callable[[torch.Tensor], torch.Tensor], description: str = "") -> Any:
    """A field of `Figures`. `measure` makes a number [] of the line's vectors [n, D] in float64."""
    return field(metadata={"heading": heading, "measure": measure, "description": description})


@dataclass(frozen=True)
class Figures:
    """Of one line of a table: in this order they are its columns, and by these names they are in JSON."""

    min: float = figure("Min", lambda vectors: vectors.min())
    max: float = figure("Max", lambda vectors: vectors.max())
    sum: float = figure("Sum", lambda vectors: vectors.sum())
    abs_sum: float = figure("Abs", lambda vectors: vectors.abs().sum())
    length: float = figure(
        "Length", lambda vectors: vectors.norm(dim=1).mean(), "L2 length; of several vectors, the mean of theirs."
    )
    std: float = figure("Std", lambda vectors: vectors.std(correction=0), "Over all numbers of the line.")


def figures_of(matrix: torch.Tensor) -> Figures:
    """Of [n, D] float32, in float64."""
    vectors = matrix.double()
    return Figures(**{entry.name: entry.metadata["measure"](vectors).item() for entry in fields(Figures)})


@dataclass(frozen=True)
class Column:
    """`value` is what stands in it, given the line's number (from 1), the line and its figures; a `number` is set to the right,
    and written by `format`."""

    key: str
    heading: str
    value: Callable[[int, Line, Figures], Any]
    number: bool = True
    format: str = ".4f"

    def cell(self, number: int, line: Line, figures: Figures) -> str:
        value = self.value(number, line, figures)
        if isinstance(value, float):
            return f"{value:{self.format}}"
        return ", ".join(map(str, value)) if isinstance(value, tuple) else str(value)


def _figure_column(key: str, heading: str) -> Column:
    return Column(key, heading, lambda number, line, figures: getattr(figures, key))


COLUMNS = (
    Column("number", "#", lambda number, line, figures: number),
    Column("vectors", "Vectors", lambda number, line, figures: line.vectors),
    Column("text", "Text", lambda number, line, figures: line.text, number=False),
    Column("tokens", "Tokens", lambda number, line, figures: line.tokens, number=False),
    *(_figure_column(entry.name, entry.metadata["heading"]) for entry in fields(Figures)),
)


def used_columns(lines: Sequence[Line]) -> list[Column]:
    """Those with something to tell: how many vectors where some lines have several, texts and tokens where they are known."""
    known = {
        "vectors": any(line.vectors > 1 for line in lines),
        "text": any(line.text for line in lines),
        "tokens": any(line.tokens for line in lines),
    }
    return [column for column in COLUMNS if known.get(column.key, True)]
