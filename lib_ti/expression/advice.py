"""What is allowed, and yet seldom meant. Shown beside the expression; nothing is refused."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from itertools import pairwise

from lib_ti.expression import limits
from lib_ti.expression.nodes import Append, Chain, Expression, Node, Scale, Span, Sum, Text, Token

_PROMPT_SYNTAX = re.compile(r"\([^()]*:\s*[\d.]+\s*\)|\[[^\[\]:|]*[:|][^\[\]]*\]|<\w+:[^<>]*>|\b(?:BREAK|AND)\b")
_WHOLE_FACTOR = re.compile(r"[*/]\s*[+-]?\s*[0-9]+")
_WORD = re.compile(r"[\w-]{4,}")
_MOST_WORDS = 200
"""How many different words of an expression are compared with the names of embeddings, which takes a while for each."""


@dataclass(frozen=True)
class Advice:
    message: str
    hint: str
    span: Span


def advise(expression: Expression, names: Sequence[str] = ()) -> list[Advice]:
    """`names` are those of the loaded embeddings, for words that are nearly one of them."""
    known = {name.lower(): name for name in names if name}
    looked = set[str]()
    return [advice for node in _nodes(expression.root) for advice in _advise_node(node, expression.text, known, looked)]


def advise_rows(rows: int) -> list[Advice]:
    """On the size of the whole result."""
    if rows == 0:
        return [Advice("The result is empty: it has no rows.", "An embedding needs at least one.", (0, 0))]
    if rows > limits.CHUNK_ROWS:
        message = f"The result has {rows} rows; an embedding in a prompt has at most {limits.CHUNK_ROWS}."
        return [Advice(message, f"Crop it with =:{limits.CHUNK_ROWS}, or split it when saving.", (0, 0))]
    return []


def _nodes(node: Node) -> Iterator[Text | Chain]:
    match node:
        case Text():
            yield node
        case Chain(base, postfixes):
            yield node
            yield from _nodes(base)
            for postfix in postfixes:
                if isinstance(postfix, Append) and isinstance(postfix.operand, Text):
                    yield postfix.operand
        case Sum(parts):
            for part in parts:
                yield from _nodes(part.node)


def _advise_node(node: Text | Chain, source: str, known: dict[str, str], looked: set[str]) -> Iterator[Advice]:
    if isinstance(node, Text):
        yield from _advise_text(node, known, looked)
        return
    for first, second in pairwise((None, *node.postfixes)):
        if not (isinstance(second, Append) and isinstance(second.operand, Token)):
            continue
        if isinstance(first, Scale) and _WHOLE_FACTOR.fullmatch(factor := source[slice(*first.span)]):
            token = source[slice(*second.operand.span)]
            yield Advice(
                f"{factor},{token} multiplies and then appends the token {token}: a comma is no decimal point.",
                f"For a decimal number write {factor}.{token}",
                (first.span[0], second.span[1]),
            )
        elif second.operand.id == 0:
            yield Advice("Token 0 is '!', not zeros.", "Write 00 for padding, or :N for rows of zeros.", second.span)


def _advise_text(node: Text, known: dict[str, str], looked: set[str]) -> Iterator[Advice]:
    if found := _PROMPT_SYNTAX.search(node.text):
        yield Advice(
            f"{found[0]} in quotes is plain text, not prompt syntax.",
            "Put attention and scheduling around the whole expression, in the prompt.",
            node.span,
        )
    for word in _WORD.findall(node.text.lower()):
        if word in looked or len(looked) == _MOST_WORDS:
            continue
        looked.add(word)
        alike = [name for name in known if name[0] == word[0] and abs(len(name) - len(word)) <= 2]
        close = get_close_matches(word, alike, 1, 0.85) if word not in known else []
        if close:
            yield Advice(
                f"{word!r} is read as plain words.", f"Did you mean the embedding {known[close[0]]}?", node.span
            )
