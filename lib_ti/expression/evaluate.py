"""What quoted texts mean, and the one walk over a tree. What the walk computes with is an algebra: `Rows` counts, `lib_ti.merge`
makes vectors.

Which rows are added, cropped or too many is decided here and nowhere else, so counter and vectors cannot disagree.
"""

from collections.abc import Callable, Iterable, Sequence
from functools import reduce
from typing import Generic, Literal, NoReturn, Protocol, TypeVar

from lib_ti.errors import InvalidText, TIError
from lib_ti.expression import limits
from lib_ti.expression.nodes import (
    Append,
    Chain,
    Crop,
    EncoderLetter,
    Expression,
    Keep,
    Node,
    Postfix,
    Roll,
    Scale,
    Span,
    Sum,
    Text,
    Token,
)

Piece = int | str | None
"""A token by its id, an embedding by its name, or (None) the encoder's own padding token."""


class Dictionary:
    """`names` are the embeddings that texts may hold. Building one reads every name, so keep it while these stay the same."""

    def __init__(self, tokenize: Callable[[str], Sequence[int]], names: Iterable[str] = ()) -> None:
        self._tokenize = tokenize
        self._names: dict[int, list[tuple[tuple[int, ...], str]]] = {}
        for name in names:
            if ids := tuple(tokenize(name.lower())):
                self._names.setdefault(ids[0], []).append((ids, name))
        for candidates in self._names.values():
            candidates.sort(key=lambda candidate: -len(candidate[0]))

    def read(self, text: str) -> list[Piece]:
        """Hosts look for names in the tokens, not in the letters: the longest first, and without word boundaries."""
        ids = tuple(self._tokenize(text.lstrip().lower()))
        pieces: list[Piece] = []
        index = 0
        while index < len(ids):
            found = next((c for c in self._names.get(ids[index], ()) if ids[index : index + len(c[0])] == c[0]), None)
            pieces.append(found[1] if found else ids[index])
            index += len(found[0]) if found else 1
        return pieces


Value = TypeVar("Value")
ENCODERS: dict[EncoderLetter, str] = {"L": "clip_l", "G": "clip_g"}


class Algebra(Protocol[Value]):
    """All that is asked for is possible: rows are within limits, summands have equal rows, encoders exist.

    `encoders` are those of the loaded model; None where none is known, so that every encoder may be named.
    """

    @property
    def encoders(self) -> Sequence[str] | None: ...

    def rows(self, value: Value) -> int: ...

    def pieces(self, pieces: Sequence[Piece]) -> Value:
        """Raises TIError for an embedding that cannot be used."""
        ...

    def resize(self, value: Value, rows: int) -> Value:
        """The first rows, or zero rows added at the end."""
        ...

    def join(self, first: Value, second: Value) -> Value: ...

    def add(self, first: Value, second: Value) -> Value: ...

    def scale(self, value: Value, operator: Literal["*", "/"], number: float, encoder: str | None) -> Value: ...

    def roll(self, value: Value, by: int) -> Value: ...

    def keep(self, value: Value, encoder: str) -> Value: ...


class Rows:
    """The algebra that only counts. `rows_of` gives the vectors of an embedding by name; TIError where it cannot be used."""

    def __init__(self, rows_of: Callable[[str], int], encoders: Sequence[str] | None = None) -> None:
        self._rows_of, self.encoders = rows_of, encoders

    def rows(self, value: int) -> int:
        return value

    def pieces(self, pieces: Sequence[Piece]) -> int:
        return sum(self._rows_of(piece) if isinstance(piece, str) else 1 for piece in pieces)

    def resize(self, value: int, rows: int) -> int:
        return rows

    def join(self, first: int, second: int) -> int:
        return first + second

    def add(self, first: int, second: int) -> int:
        return first

    def scale(self, value: int, operator: Literal["*", "/"], number: float, encoder: str | None) -> int:
        return value

    def roll(self, value: int, by: int) -> int:
        return value

    def keep(self, value: int, encoder: str) -> int:
        return value


def evaluate(expression: Expression, algebra: Algebra[Value], dictionary: Dictionary) -> Value:
    """Raises InvalidText, with the operand under a caret, where it cannot be read on the model or grows past the limit."""
    return _Walk(expression.text, algebra, dictionary).node(expression.root)


class _Walk(Generic[Value]):
    def __init__(self, text: str, algebra: Algebra[Value], dictionary: Dictionary) -> None:
        self._text, self._algebra, self._dictionary = text, algebra, dictionary

    def node(self, node: Node) -> Value:
        match node:
            case Text():
                return self._operand(node)
            case Chain(base, postfixes):
                value = self.node(base)
                for postfix in postfixes:
                    value = self._postfix(value, postfix)
                return value
            case Sum(parts):
                values = (self._signed(part.node, part.positive) for part in parts)
                return reduce(self._add, values)  # one at a time: thousands of parts would not fit into memory at once

    def _signed(self, node: Node, positive: bool) -> Value:
        value = self.node(node)
        return value if positive else self._algebra.scale(value, "*", -1.0, None)

    def _add(self, first: Value, second: Value) -> Value:
        rows = max(self._algebra.rows(first), self._algebra.rows(second))
        return self._algebra.add(self._algebra.resize(first, rows), self._algebra.resize(second, rows))

    def _postfix(self, value: Value, postfix: Postfix) -> Value:
        algebra = self._algebra
        match postfix:
            case Scale(operator, number, letter, span):
                return algebra.scale(value, operator, number, self._encoder(letter, span) if letter else None)
            case Crop(rows, span):
                return algebra.resize(value, self._bounded(rows, span))
            case Roll(by):
                rows = algebra.rows(value)
                return algebra.roll(value, by % rows) if rows else value
            case Append(operand, span):
                added = self._operand(operand)
                self._bounded(algebra.rows(value) + algebra.rows(added), span)
                return algebra.join(value, added)
            case Keep(letter, span):
                return algebra.keep(value, self._encoder(letter, span))

    def _operand(self, operand: Text | Token) -> Value:
        pieces = self._dictionary.read(operand.text) if isinstance(operand, Text) else [operand.id]
        try:
            value = self._algebra.pieces(pieces)
        except TIError as error:
            self._fail(error.message, operand.span, error.hint)
        self._bounded(self._algebra.rows(value), operand.span)
        return value

    def _encoder(self, letter: EncoderLetter, span: Span) -> str:
        have = self._algebra.encoders
        if have is not None and not set(have) >= set(ENCODERS.values()):
            self._fail(
                f"{letter} names one of SDXL's two text encoders; the loaded model has {' and '.join(have)} only.",
                span,
                f"Leave the {letter} out, or load an SDXL checkpoint.",
            )
        return ENCODERS[letter]

    def _bounded(self, rows: int, span: Span) -> int:
        if rows > limits.ROWS:
            self._fail(
                f"This gives {rows} rows; more than {limits.ROWS} cannot be computed.",
                span,
                f"A prompt holds {limits.CHUNK_ROWS} in one piece.",
            )
        return rows

    def _fail(self, message: str, span: Span, hint: str) -> NoReturn:
        raise InvalidText(message, self._text, *span, hint)
