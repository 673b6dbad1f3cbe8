"""What Inspect tells, as plain values. No torch here: whoever shows them need not wait for it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from lib_ti.inspect.columns import Figures

LONG = 10
"""Times the vocabulary's mean length from which on a vector drowns the words beside it: the mark of a broken training."""
_ROUNDING = 1e-3


@dataclass(frozen=True)
class Nearest:
    token: int
    text: str
    cosine: float


@dataclass(frozen=True)
class Row:
    """One vector: its L2 length, whether it is over `LONG` times as long as the vocabulary's, and the tokens most like it."""

    length: float
    too_long: bool
    nearest: tuple[Nearest, ...]


@dataclass(frozen=True)
class Table:
    """Of one encoder. `figures` belong to the lines; `vocabulary_length` is the mean L2 length of all tokens' vectors, None
    without a model."""

    encoder: str
    width: int
    vocabulary_length: float | None
    figures: tuple[Figures, ...]
    rows: tuple[Row, ...]


@dataclass(frozen=True)
class RowPair:
    """One row of both: the cosine between them (None where one is zero), and the L2 length of their difference."""

    cosine: float | None
    distance: float
    lengths: tuple[float, float]


@dataclass(frozen=True)
class OnTwoModels:
    """One encoder. `tables` hold what each model makes of the rows; `likeness` is the mean cosine between the two models'
    vectors of the same token, 1 where the vocabularies are the same, so that one embedding means the same on both."""

    likeness: float
    tables: tuple[Table, Table]


@dataclass(frozen=True)
class Sameness:
    """`largest` is the largest difference between numbers of the conditioning, by the host's own keys; `scale` the largest
    number itself, to measure it by."""

    largest: Mapping[str, float]
    scale: Mapping[str, float]

    @property
    def same(self) -> bool:
        """To within what half precision rounds."""
        return all(self.largest[key] <= _ROUNDING * self.scale[key] for key in self.largest)


@dataclass(frozen=True)
class Decomposition:
    """`residuals`: by encoder, the share of each vector's length that the tokens leave unexplained: 0 nothing, 1 all."""

    expression: str
    residuals: dict[str, list[float]]
