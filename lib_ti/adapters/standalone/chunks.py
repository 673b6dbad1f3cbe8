"""Prompts as WebUIs feed them to CLIP: chunks of 75 tokens between a start and an end token, each token with its weight.

Attention brackets weigh: (more), [less], (word:1.2), \\( for a bracket; BREAK begins a new chunk.

    text      "a ((red)) [big:1.5] (ball:0.5)"
    pieces    ("a ", 1) ("red", 1.21) (" ", 1) ("big:1.5", 0.909) (" ", 1) ("ball", 0.5)

They never fail: one that is never closed reaches to the end; one that was never opened is text, as is one inside 100 others.

An embedding stands in a prompt by its name, found by the name's token ids: the longest name first, upper and lower case
alike, without word boundaries. Its rows never spread over two chunks.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass

from lib_ti.adapters.standalone.tokenizer import END, START, tokenize

CHUNK = 75
_COMMA = 267
_DEEPEST = 100
_COMMA_REACH = 20  # a chunk that is full ends at a comma, if one is among its last tokens; WebUIs' default

MORE, LESS = 1.1, 1 / 1.1
_BRACKETS = re.compile(r"\\[()\[\]\\]|[()\[\]\\]|:\s*([+-]?[.\d]+)\s*\)|[^\\()\[\]:]+|:")
_BREAK = re.compile(r"\bBREAK\b")


@dataclass
class Piece:
    """Text of one weight. `breaks` says that a new chunk begins before it."""

    text: str
    weight: float = 1.0
    breaks: bool = False


def parse_emphasis(prompt: str) -> list[Piece]:
    pieces: list[Piece] = []
    opened: dict[str, list[int]] = {"(": [], "[": []}

    def close(bracket: str, factor: float) -> None:
        for piece in pieces[opened[bracket].pop() :]:
            piece.weight *= factor

    for match in _BRACKETS.finditer(prompt):
        token = match[0]
        weight = _number(match[1])
        if token[0] == "\\":
            pieces.append(Piece(token[1:]))
        elif token in opened and len(opened[token]) < _DEEPEST:
            opened[token].append(len(pieces))
        elif weight is not None and opened["("]:
            close("(", weight)
        elif token == ")" and opened["("]:
            close("(", MORE)
        elif token == "]" and opened["["]:
            close("[", LESS)
        else:
            first, *others = _split_at_breaks(token)
            pieces += [Piece(first), *(Piece(text, breaks=True) for text in others)]
    while opened["("]:
        close("(", MORE)
    while opened["["]:
        close("[", LESS)
    return _join_equal(pieces)


def _split_at_breaks(text: str) -> list[str]:
    """The spaces around a BREAK are part of it."""
    first, *others = _BREAK.split(text)
    if not others:
        return [first]
    return [first.rstrip(), *(part.strip() for part in others[:-1]), others[-1].lstrip()]


def _number(text: str | None) -> float | None:
    try:
        return None if text is None else float(text)
    except ValueError:  # "1.2.3" is text
        return None


def _join_equal(pieces: list[Piece]) -> list[Piece]:
    """Neighbours of one weight are one text: a word may be spread over several tokens of the grammar."""
    joined: list[Piece] = [Piece("")]
    texts: list[list[str]] = [[]]
    for piece in pieces:
        last = joined[-1]
        if piece.breaks or (piece.weight != last.weight and texts[-1]):
            joined.append(piece)
            texts.append([])
        elif not texts[-1]:
            last.weight = piece.weight
        texts[-1] += [piece.text] if piece.text else []
    for piece, parts in zip(joined, texts, strict=True):
        piece.text = "".join(parts)
    return joined


class Names:
    """Embeddings by the token ids of their names. `rows` says how many rows each brings; the last of equal names wins."""

    def __init__(self, rows: Mapping[str, int]) -> None:
        self.rows = dict(rows)
        self._by_first: dict[int, list[tuple[list[int], str]]] = {}
        for ids, name in {tuple(tokenize(name)): name for name in rows}.items():
            if ids:
                self._by_first.setdefault(ids[0], []).append((list(ids), name))
        for entries in self._by_first.values():
            entries.sort(key=lambda entry: len(entry[0]), reverse=True)

    def find(self, tokens: list[int], position: int) -> tuple[str, int] | None:
        """The embedding whose name begins at `position`, and the name's length in tokens."""
        for ids, name in self._by_first.get(tokens[position], ()):
            if tokens[position : position + len(ids)] == ids:
                return name, len(ids)
        return None


@dataclass(frozen=True)
class Insertion:
    """Rows of an embedding that replace the tokens from `position` on (start token = 0)."""

    name: str
    position: int
    rows: int


@dataclass(frozen=True)
class Chunk:
    """77 token ids and weights: start, 75 filled up with end tokens, end."""

    tokens: tuple[int, ...]
    weights: tuple[float, ...]
    insertions: tuple[Insertion, ...]

    @property
    def end(self) -> int:
        """Position of the first end token, whose state is the pooled output."""
        return self.tokens.index(END)


class _Draft:
    """A chunk in the making."""

    def __init__(self) -> None:
        self.tokens: list[int] = []
        self.weights: list[float] = []
        self.insertions: list[Insertion] = []
        self.last_comma = -1

    def add(self, token: int, weight: float) -> None:
        if token == _COMMA:
            self.last_comma = len(self.tokens)
        self.tokens.append(token)
        self.weights.append(weight)

    def insert(self, name: str, rows: int, weight: float) -> None:
        self.insertions.append(Insertion(name, len(self.tokens) + 1, rows))
        self.tokens += [0] * rows
        self.weights += [weight] * rows

    def split_at_comma(self) -> "_Draft":
        """Move what follows a near comma into a draft of its own; an empty draft where there is none."""
        rest = _Draft()
        cut = self.last_comma + 1
        if self.last_comma >= 0 and len(self.tokens) - self.last_comma <= _COMMA_REACH:
            rest.tokens, self.tokens = self.tokens[cut:], self.tokens[:cut]
            rest.weights, self.weights = self.weights[cut:], self.weights[:cut]
            moved = [entry for entry in self.insertions if entry.position > cut]
            self.insertions = [entry for entry in self.insertions if entry.position <= cut]
            rest.insertions = [Insertion(entry.name, entry.position - cut, entry.rows) for entry in moved]
        return rest

    def finish(self) -> Chunk:
        filling = CHUNK - len(self.tokens)
        tokens = (START, *self.tokens, *[END] * filling, END)
        return Chunk(tokens, (1.0, *self.weights, *[1.0] * filling, 1.0), tuple(self.insertions))


EMPTY = _Draft().finish()


def parse_prompt(prompt: str, names: Names) -> list[Chunk]:
    """At least one chunk; none of the prompt is cut off. Rows of an embedding beyond 75 cannot be used."""
    chunks: list[Chunk] = []
    draft = _Draft()
    for piece in parse_emphasis(prompt):
        if piece.breaks:
            chunks.append(draft.finish())
            draft = _Draft()
        tokens, position = tokenize(piece.text), 0
        while position < len(tokens):
            found = names.find(tokens, position)
            if len(draft.tokens) == CHUNK:
                rest = _Draft() if tokens[position] == _COMMA else draft.split_at_comma()
                chunks.append(draft.finish())
                draft = rest
            if found is None:
                draft.add(tokens[position], piece.weight)
                position += 1
                continue
            name, length = found
            rows = min(names.rows[name], CHUNK)
            if len(draft.tokens) + rows > CHUNK:
                chunks.append(draft.finish())
                draft = _Draft()
            draft.insert(name, rows, piece.weight)
            position += length
    if draft.tokens or not chunks:
        chunks.append(draft.finish())
    return chunks


def count_rows(prompt: str, names: Names, name: str) -> int:
    """Rows of one embedding that the text encoder sees in `prompt`."""
    return sum(entry.rows for chunk in parse_prompt(prompt, names) for entry in chunk.insertions if entry.name == name)
