"""Decomposed rows as an expression that can be edited and merged again."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from lib_ti.embedding.embedding import Embedding
from lib_ti.expression.dictionary import Dictionary
from lib_ti.expression.evaluate import ENCODERS
from lib_ti.expression.nodes import (
    Append,
    Chain,
    Crop,
    Keep,
    Node,
    Part,
    Roll,
    Scale,
    Sum,
    Text,
    Token,
    chain_of,
    sum_of,
)
from lib_ti.expression.printer import print_expression
from lib_ti.host import TextModel
from lib_ti.merge.decompose import Parts, decompose_rows

_DIGITS = 6
"""Of a weight; float32 has little more."""


@dataclass(frozen=True)
class Decomposition:
    """`residuals`: by encoder, the share of each vector's length that the tokens leave unexplained: 0 nothing, 1 all."""

    expression: str
    residuals: dict[str, list[float]]


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
        parts.append(Part(weight >= 0, chain_of(_token_node(token, host, dictionary), scale)))
    return sum_of(tuple(parts))


def _token_node(token: int, host: TextModel, dictionary: Dictionary) -> Node:
    word = host.token_text(token).removesuffix("</w>")
    return Text(word) if dictionary.read(word) == [token] else Chain(Text(""), (Append(Token(token)),))
