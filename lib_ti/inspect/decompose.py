"""The few tokens whose weighted sum comes nearest to a vector, and what they say as an expression to edit and merge again.

Orthogonal matching pursuit (Pati, Rezaiifar, Krishnaprasad 1993): take the token most aligned with what is left, fit the weights of
all tokens taken by least squares, repeat. Greed errs where tokens are alike, so the best few sets are followed side by side.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch

from lib_ti.embedding.embedding import Embedding
from lib_ti.expression.evaluate import ENCODERS, Dictionary
from lib_ti.expression.nodes import (
    Chain,
    Crop,
    Keep,
    Node,
    Part,
    Roll,
    Scale,
    Sum,
    Text,
    chain_of,
    sum_of,
)
from lib_ti.expression.printer import node_of, operand_of, print_expression
from lib_ti.host import TextModel
from lib_ti.inspect.facts import Decomposition

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


_DIGITS = 6
"""Of a weight; float32 has little more."""


def decompose(embedding: Embedding, host: TextModel, dictionary: Dictionary, most: int = 4) -> Decomposition:
    """Each vector by at most `most` tokens of the model's table. `embedding` fits the model."""
    rows = {
        encoder: decompose_rows(matrix, host.all_token_vectors(encoder), most)
        for encoder, matrix in embedding.vectors.items()
    }
    residuals = {encoder: [parts.residual for parts in found] for encoder, found in rows.items()}
    return Decomposition(write_expression(rows, host, dictionary), residuals)


def write_expression(rows: Mapping[str, Sequence[Parts]], host: TextModel, dictionary: Dictionary) -> str:
    """`rows` by encoder, all of one model. Tokens appear as words where `dictionary` reads the word as just that token."""
    letters = {name: letter for letter, name in ENCODERS.items()}
    sums = {encoder: _rows_node(parts, host, dictionary) for encoder, parts in rows.items()}
    if len(sums) == 1:
        return print_expression(*sums.values())
    kept = [Part(True, chain_of(node, (Keep(letters[encoder]),))) for encoder, node in sums.items()]
    return print_expression(sum_of(tuple(kept)))


def _rows_node(rows: Sequence[Parts], host: TextModel, dictionary: Dictionary) -> Node:
    summands = list[Part]()
    for index, row in enumerate(rows):
        if row.tokens:
            node = _row_node(row, host, dictionary)
            # Row 3 is one vector made 4 long and rolled down by 3.
            moved = chain_of(node, (Crop(index + 1), Roll(index)) if index else ())
            summands += moved.parts if isinstance(moved, Sum) else [Part(True, moved)]
    if not rows or not rows[-1].tokens:
        summands.append(Part(True, Chain(Text(""), (Crop(len(rows)),))))
    return sum_of(tuple(summands))


def _row_node(row: Parts, host: TextModel, dictionary: Dictionary) -> Node:
    parts = []
    for token, weight in zip(row.tokens, row.weights, strict=True):
        factor = abs(float(f"{weight:.{_DIGITS}g}"))
        scale = () if factor == 1 else (Scale("*", factor),)
        parts.append(Part(weight >= 0, chain_of(node_of(operand_of(token, host.token_text, dictionary)), scale)))
    return sum_of(tuple(parts))
