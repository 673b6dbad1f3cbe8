"""The figures of an embedding's vectors, beside those of the vocabulary that prompts are made of."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch

from lib_ti.host import TextModel
from lib_ti.inspect.columns import figures_of
from lib_ti.inspect.facts import LONG, Nearest, Row, Table
from lib_ti.inspect.line import Line
from lib_ti.inspect.nearest import nearest_tokens


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
