"""The tree of an expression. Two trees are equal when they mean the same text, wherever it stood: spans do not count.

Only three nodes carry a value: `Text`, `Chain` (a value with postfixes, applied left to right) and `Sum`. Brackets, `=` and
the unary minus are spellings of these: `'a'+'b'=*2` and `('a'+'b')*2` are one tree, and `-'a'` is a sum of one subtracted part.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import Literal

Span = tuple[int, int]
"""Characters of the source, half open."""

NOWHERE: Span = (0, 0)
"""The span of a node that was built, not parsed."""

EncoderLetter = Literal["L", "G"]


@dataclass(frozen=True)
class Text:
    """Quoted text as typed, without its quotes; a doubled quote is one here."""

    text: str
    span: Span = field(default=NOWHERE, compare=False)
    depth = 0


@dataclass(frozen=True)
class Token:
    """A token by its id; None is the padding token, which differs between encoders."""

    id: int | None
    span: Span = field(default=NOWHERE, compare=False)


@dataclass(frozen=True)
class Scale:
    """`*` or `/` a number; with an encoder, the others stay as they are."""

    operator: Literal["*", "/"]
    number: float
    encoder: EncoderLetter | None = None
    span: Span = field(default=NOWHERE, compare=False)


@dataclass(frozen=True)
class Crop:
    """Keep the first rows, or add zero rows at the end."""

    rows: int
    span: Span = field(default=NOWHERE, compare=False)


@dataclass(frozen=True)
class Roll:
    """Move each row down by so many places, the last ones to the top."""

    by: int
    span: Span = field(default=NOWHERE, compare=False)


@dataclass(frozen=True)
class Append:
    operand: Text | Token
    span: Span = field(default=NOWHERE, compare=False)


@dataclass(frozen=True)
class Keep:
    """Zero the rows of the other encoder."""

    encoder: EncoderLetter
    span: Span = field(default=NOWHERE, compare=False)


Postfix = Scale | Crop | Roll | Append | Keep


@dataclass(frozen=True)
class Chain:
    base: Text | Sum
    postfixes: tuple[Postfix, ...]
    span: Span = field(default=NOWHERE, compare=False)

    @cached_property
    def depth(self) -> int:
        return self.base.depth


@dataclass(frozen=True)
class Part:
    positive: bool
    node: Node


@dataclass(frozen=True)
class Sum:
    parts: tuple[Part, ...]
    span: Span = field(default=NOWHERE, compare=False)

    @cached_property
    def depth(self) -> int:
        return 1 + max(part.node.depth for part in self.parts)


Node = Text | Chain | Sum


@dataclass(frozen=True)
class Expression:
    root: Node
    text: str = field(compare=False)


def sum_of(parts: tuple[Part, ...], span: Span = NOWHERE) -> Node:
    """One added part is itself and not a sum, so that a tree has one form only."""
    return parts[0].node if len(parts) == 1 and parts[0].positive else Sum(parts, span)


def chain_of(node: Node, postfixes: tuple[Postfix, ...], span: Span = NOWHERE) -> Node:
    """`node` with more postfixes; a chain grows and never nests."""
    if not postfixes:
        return node
    if isinstance(node, Chain):
        return Chain(node.base, node.postfixes + postfixes, span)
    return Chain(node, postfixes, span)
