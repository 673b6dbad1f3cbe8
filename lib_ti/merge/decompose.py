"""The few tokens whose weighted sum comes nearest to a vector.

Orthogonal matching pursuit (Pati, Rezaiifar, Krishnaprasad 1993): take the token most aligned with what is left, fit the weights of
all tokens taken by least squares, repeat. Greed errs where tokens are alike, so the best few sets are followed side by side.
"""

from dataclasses import dataclass

import torch

_SETS = 16
_TINY = torch.finfo(torch.float32).tiny


@dataclass(frozen=True)
class Parts:
    """One row as a sum; what carries most comes first.

    `residual` is the share of the row's length that the tokens leave unexplained: 0 all explained, 1 nothing.
    """

    tokens: tuple[int, ...]
    weights: tuple[float, ...]
    residual: float


def decompose_rows(rows: torch.Tensor, table: torch.Tensor, most: int = 4, tolerance: float = 1e-4) -> list[Parts]:
    """Each of `rows` [V, D] by at most `most` rows of `table` [vocabulary, D], fewer once the residual is within `tolerance`.

    Both float32. A row of zeros needs no tokens.
    """
    lengths = table.norm(dim=1).clamp_min(_TINY)
    return [_decompose(row, table, lengths, most, tolerance) for row in rows.double()]


def _decompose(row: torch.Tensor, table: torch.Tensor, lengths: torch.Tensor, most: int, tolerance: float) -> Parts:
    length = row.norm().item()
    sets: list[tuple[int, ...]] = [()]
    weights, left = torch.empty(1, 0), row[None]
    for _ in range(most):
        if left[0].norm() <= tolerance * length:
            break
        aligned = (left.float() @ table.T).abs() / lengths  # [sets, vocabulary]
        grown = set[tuple[int, ...]]()
        for tokens, score in zip(sets, aligned, strict=True):
            others = score.topk(min(_SETS + len(tokens), len(score))).indices.tolist()
            grown |= {tuple(sorted((*tokens, token))) for token in others if token not in tokens}
        if not grown:
            break
        sets = sorted(grown)
        weights, left = _fit(row, table[torch.tensor(sets)].double())
        best = left.norm(dim=1).argsort(stable=True)[:_SETS]
        sets, weights, left = [sets[i] for i in best.tolist()], weights[best], left[best]
    carried = (weights[0].abs() * lengths[list(sets[0])]).argsort(descending=True).tolist()
    return Parts(
        tokens=tuple(sets[0][i] for i in carried),
        weights=tuple(weights[0][i].item() for i in carried),
        residual=left[0].norm().item() / length if length else 0.0,
    )


def _fit(row: torch.Tensor, tokens: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Least squares of `row` [D] by each set of `tokens` [S, k, D]: weights [S, k], and what is left [S, D]; all float64."""
    lengths = tokens.norm(dim=2, keepdim=True).clamp_min(_TINY)
    units = tokens / lengths
    gram = units @ units.transpose(1, 2)
    weights = torch.linalg.pinv(gram, hermitian=True) @ (units @ row)[:, :, None]  # pinv: tokens may be parallel
    return (weights / lengths)[:, :, 0], row - (units * weights).sum(1)
