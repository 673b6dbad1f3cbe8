"""Attention brackets of prompts, as WebUIs read them: (more), [less], (word:1.2), \\( for a bracket, BREAK for a new chunk.

    text      "a ((red)) [big:1.5] (ball:0.5)"
    pieces    ("a ", 1) ("red", 1.21) (" ", 1) ("big:1.5", 0.909) (" ", 1) ("ball", 0.5)

Brackets never fail: one that is never closed reaches to the end, one that was never opened is text.
"""

import re
from dataclasses import dataclass

MORE, LESS = 1.1, 1 / 1.1
_TOKEN = re.compile(r"\\[()\[\]\\]|[()\[\]\\]|:\s*([+-]?[.\d]+)\s*\)|[^\\()\[\]:]+|:")
_BREAK = re.compile(r"\s*\bBREAK\b\s*")


@dataclass
class Piece:
    """Text of one weight. `breaks` tells that a new chunk begins before it."""

    text: str
    weight: float = 1.0
    breaks: bool = False


def parse_emphasis(prompt: str) -> list[Piece]:
    pieces: list[Piece] = []
    opened: dict[str, list[int]] = {"(": [], "[": []}

    def close(bracket: str, factor: float) -> None:
        for piece in pieces[opened[bracket].pop() :]:
            piece.weight *= factor

    for match in _TOKEN.finditer(prompt):
        token = match[0]
        weight = _number(match[1])
        if token[0] == "\\":
            pieces.append(Piece(token[1:]))
        elif token in opened:
            opened[token].append(len(pieces))
        elif weight is not None and opened["("]:
            close("(", weight)
        elif token == ")" and opened["("]:
            close("(", MORE)
        elif token == "]" and opened["["]:
            close("[", LESS)
        else:
            first, *others = _BREAK.split(token)
            pieces += [Piece(first), *(Piece(text, breaks=True) for text in others)]
    while opened["("]:
        close("(", MORE)
    while opened["["]:
        close("[", LESS)
    return _join_equal(pieces)


def _number(text: str | None) -> float | None:
    try:
        return None if text is None else float(text)
    except ValueError:  # "1.2.3" is text
        return None


def _join_equal(pieces: list[Piece]) -> list[Piece]:
    """Neighbours of one weight are one text: a word may be spread over several tokens of the grammar."""
    joined: list[Piece] = [Piece("")]
    for piece in pieces:
        last = joined[-1]
        if piece.breaks or (piece.weight != last.weight and last.text):
            joined.append(piece)
        else:
            joined[-1] = Piece(last.text + piece.text, piece.weight if not last.text else last.weight, last.breaks)
    return joined
