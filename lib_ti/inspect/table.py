"""The figures of an embedding's vectors, beside those of the vocabulary that prompts are made of."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch

from lib_ti.host import TextModel
from lib_ti.inspect.columns import Figures, figures_of
from lib_ti.inspect.line import Line
from lib_ti.inspect.nearest import nearest_tokens

LONG = 10
"""Times the vocabulary's mean length from which on a vector drowns the words beside it: the mark of a broken training."""


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


def measure(
    vectors: Mapping[str, torch.Tensor], lines: Sequence[Line], host: TextModel | None = None, nearest: int = 5
) -> list[Table]:
    """A table for each encoder of `vectors` ([V, D]); `host`, whose model they fit, brings the comparison."""
    return [_measure(encoder, matrix.float(), lines, host, nearest) for encoder, matrix in vectors.items()]


def _measure(encoder: str, matrix: torch.Tensor, lines: Sequence[Line], host: TextModel | None, count: int) -> Table:
    lengths = matrix.double().norm(dim=1).tolist()  # float32 could overflow
    mean: float | None = None
    near: list[tuple[Nearest, ...]] = [()] * len(matrix)
    if host is not None:
        table = host.all_token_vectors(encoder)
        mean = table.norm(dim=1).mean().item()
        near = [
            tuple(Nearest(n.token, plain_text(host, n.token), n.cosine) for n in tokens)
            for tokens in nearest_tokens(matrix, table, count)
        ]
    return Table(
        encoder=encoder,
        width=matrix.shape[1],
        vocabulary_length=mean,
        figures=tuple(figures_of(matrix[line.first : line.first + line.vectors]) for line in lines),
        rows=tuple(
            Row(length, mean is not None and length > LONG * mean, tokens)
            for length, tokens in zip(lengths, near, strict=True)
        ),
    )


def plain_text(host: TextModel, token: int) -> str:
    """A token as people read it: a whole word as it is, a piece that goes on with a hyphen, such as `photo-`."""
    text = host.token_text(token)
    return text.removesuffix("</w>") if text.endswith("</w>") else f"{text}-"
