"""The figures of an embedding's vectors beside those of the vocabulary that prompts are made of, and the tokens nearest to each."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch

from lib_ti.host import TextModel
from lib_ti.inspect.columns import figures_of
from lib_ti.inspect.facts import LONG, Nearest, Row, Table
from lib_ti.inspect.line import Line

_ROWS, _TOKENS = 512, 8192
"""Compared at once: 16 MiB of cosines, whatever the vocabulary."""
_SPARE = 4
"""Candidates beyond those asked for; float32 cannot order the very near ones, so they are compared again in float64."""


@dataclass(frozen=True)
class Near:
    token: int
    cosine: float


def nearest_tokens(rows: torch.Tensor, table: torch.Tensor, count: int = 5) -> list[list[Near]]:
    """For each of `rows` [V, D] the `count` rows of `table` [vocabulary, D] with the largest cosine, largest first.

    Both float32. A row of zeros has no direction and gets an empty list.
    """
    wanted = min(count + _SPARE, len(table))
    found: list[list[Near]] = []
    for chunk in torch.split(rows, _ROWS):
        candidates = _candidates(chunk, table, wanted)
        found += [_ordered(row, ids, table)[:count] for row, ids in zip(chunk, candidates, strict=True)]
    return found


def _candidates(rows: torch.Tensor, table: torch.Tensor, count: int) -> torch.Tensor:
    """[V, count] token ids."""
    directions = torch.nn.functional.normalize(rows, dim=1)
    cosines, ids = torch.empty(len(rows), 0), torch.empty(len(rows), 0, dtype=torch.int64)
    for start in range(0, len(table), _TOKENS):
        tokens = table[start : start + _TOKENS]
        these = directions @ tokens.T / tokens.norm(dim=1).clamp_min(torch.finfo(torch.float32).tiny)
        best = these.topk(min(count, len(tokens)), dim=1)
        both = torch.cat([cosines, best.values], 1), torch.cat([ids, best.indices + start], 1)
        cosines, places = both[0].topk(min(count, both[0].shape[1]), dim=1)
        ids = both[1].gather(1, places)
    return ids


def _ordered(row: torch.Tensor, ids: torch.Tensor, table: torch.Tensor) -> list[Near]:
    if not row.any():
        return []
    cosines = torch.nn.functional.cosine_similarity(row.double()[None], table[ids].double(), dim=1, eps=1e-30)
    near = [Near(token, min(1.0, cosine)) for token, cosine in zip(ids.tolist(), cosines.tolist(), strict=True)]
    return sorted(near, key=lambda n: (-n.cosine, n.token))


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
