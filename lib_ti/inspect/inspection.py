"""All that is to be seen of an embedding, a text or an expression's result."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

import torch

from lib_ti.config.embeddings import Grouping
from lib_ti.embedding.embedding import Embedding
from lib_ti.embedding.recipe import describe_recipe
from lib_ti.errors import InvalidText
from lib_ti.expression.evaluate import Dictionary, Piece
from lib_ti.expression.parser import parse_expression
from lib_ti.expression.prompt import advise_prompt, find_expressions, may_hold_expression
from lib_ti.host import TextModel
from lib_ti.inspect.facts import LONG, Table
from lib_ti.inspect.line import Line, text_lines, vector_lines
from lib_ti.inspect.table import measure
from lib_ti.merge.vectors import Matrices, evaluate_expression

_EXPRESSION = re.compile(r"[\s(-]*'")


@dataclass(frozen=True, eq=False)
class Inspection:
    """`vectors`: [V, D] by encoder; each of `tables` has figures for every line and facts on every row; `recipe` is a line of
    words on how it was made."""

    title: str
    vectors: Mapping[str, torch.Tensor]
    lines: tuple[Line, ...]
    tables: tuple[Table, ...]
    notes: tuple[str, ...] = ()
    recipe: str = ""

    @property
    def warnings(self) -> list[str]:
        """What marks a broken embedding."""
        return [text for table in self.tables for text in _warnings(table)]

    def values(self) -> dict[str, Any]:
        """All but vectors and recipe, in JSON's types."""
        return {
            "title": self.title,
            "lines": [asdict(line) for line in self.lines],
            "encoders": [asdict(table) for table in self.tables],
            "notes": list(self.notes),
            "warnings": self.warnings,
        }


def inspect_embedding(
    embedding: Embedding, host: TextModel | None = None, by: Grouping = "vectors", nearest: int = 5
) -> Inspection:
    """A line a vector; one for all where `by` is "none". Raises InvalidEmbedding where it does not fit the host's model."""
    fitted = embedding.fit_to(host.model()) if host else embedding
    seen = _inspect(fitted.name, fitted.vectors, _plain_lines(fitted.rows, by), host, nearest, fitted.notes)
    return replace(seen, recipe=describe_recipe(fitted.recipe))


def inspect_expression(
    text: str, host: TextModel, embeddings: Mapping[str, Embedding], by: Grouping = "vectors", nearest: int = 5
) -> Inspection:
    """The result's vectors. Raises InvalidText."""
    vectors = evaluate_expression(parse_expression(text), host, embeddings)
    rows = len(next(iter(vectors.values())))
    if not rows:
        raise InvalidText("The result has no rows.", text, 0, len(text), "There is nothing to be seen.")
    return _inspect(text, vectors, _plain_lines(rows, by), host, nearest)


def inspect_text(
    text: str, host: TextModel, embeddings: Mapping[str, Embedding], by: Grouping = "tokens", nearest: int = 5
) -> Inspection:
    """A plain text's tokens and the embeddings in it. Raises InvalidText where there are none."""
    pieces = Dictionary(host.tokenize, embeddings).read(text)
    if not pieces:
        raise InvalidText("The text is empty.", text, 0, len(text), "There is nothing to be seen.")
    algebra = Matrices(host, embeddings)
    vectors = algebra.pieces(pieces)
    rows = {name: algebra.embedding(name).rows for name in algebra.used}
    return _inspect(text, vectors, text_lines(pieces, rows, host.token_text, by), host, nearest)


def inspect_typed(
    text: str, host: TextModel, embeddings: Mapping[str, Embedding], by: Grouping, nearest: int = 5
) -> Inspection:
    """As an expression where it begins with a quote (or a bracket or minus before one), else as a prompt: plain text, with
    expressions between angle or curly brackets. Raises InvalidText."""
    if _EXPRESSION.match(text):
        return inspect_expression(text, host, embeddings, by, nearest)
    if may_hold_expression(text):
        return inspect_prompt(text, host, embeddings, by, nearest)
    return inspect_text(text, host, embeddings, by, nearest)


def inspect_prompt(
    text: str, host: TextModel, embeddings: Mapping[str, Embedding], by: Grouping = "tokens", nearest: int = 5
) -> Inspection:
    """A text's tokens, and the embeddings and expressions in it, each of which is one sign. Raises InvalidText."""
    algebra, dictionary = Matrices(host, embeddings), Dictionary(host.tokenize, embeddings)
    pieces, parts, sizes = list[Piece](), [algebra.pieces([])], dict[str, int]()

    def read(words: str) -> None:
        found = dictionary.read(words)
        pieces.extend(found)
        parts.append(algebra.pieces(found))

    end = 0
    for found in find_expressions(text):
        read(text[end : found.start])
        vectors = evaluate_expression(parse_expression(found.text), host, embeddings, dictionary)
        if rows := algebra.rows(vectors):
            shown = text[found.start : found.end]
            pieces.append(shown)
            parts.append(vectors)
            sizes[shown] = rows
        end = found.end
    read(text[end:])
    vectors = {encoder: torch.cat([part[encoder] for part in parts]) for encoder in algebra.encoders}
    if not pieces:
        raise InvalidText("The result has no rows.", text, 0, len(text), "There is nothing to be seen.")
    sizes |= {name: algebra.embedding(name).rows for name in algebra.used}
    notes = tuple(f"{one.message} {one.hint}" for one in advise_prompt(text))
    return _inspect(text, vectors, text_lines(pieces, sizes, host.token_text, by), host, nearest, notes)


def _plain_lines(rows: int, by: Grouping) -> list[Line]:
    return [Line(0, rows)] if by == "none" else vector_lines(rows)


def _inspect(
    title: str,
    vectors: Mapping[str, torch.Tensor],
    lines: list[Line],
    host: TextModel | None,
    nearest: int,
    notes: tuple[str, ...] = (),
) -> Inspection:
    return Inspection(title, vectors, tuple(lines), tuple(measure(vectors, lines, host, nearest)), notes)


def _warnings(table: Table) -> list[str]:
    long = [str(number) for number, row in enumerate(table.rows, 1) if row.too_long]
    if not long or table.vocabulary_length is None:
        return []
    which = f"Vector {long[0]} is" if len(long) == 1 else f"Vectors {', '.join(long)} are"
    times = max(row.length for row in table.rows) / table.vocabulary_length
    return [
        f"{which} over {LONG} times as long in {table.encoder} as the vocabulary's ({table.vocabulary_length:.3f} on "
        f"average; up to {times:.0f} times): such an embedding drowns the words beside it, as after training for too "
        "long or at too high a rate."
    ]
