"""What the lines of a table stand for: a whole text, what stands between its commas, its parts, words, tokens or vectors."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

from lib_ti.config.embeddings import Grouping
from lib_ti.expression.evaluate import Piece


@dataclass(frozen=True)
class Line:
    """`vectors` rows from row `first` on (0 is the first), and the text and tokens they stand for, where these are known.

    An embedding has its name as text and no tokens.
    """

    first: int
    vectors: int
    text: str = ""
    tokens: tuple[int, ...] = ()


def vector_lines(rows: int) -> list[Line]:
    return [Line(row, 1) for row in range(rows)]


def text_lines(
    pieces: Sequence[Piece], rows: Mapping[str, int], token_text: Callable[[int], str], by: Grouping
) -> list[Line]:
    """`rows` of the embeddings by name. By "comma" the commas themselves are left out."""
    signs = list(_signs(pieces, rows, token_text))
    if by == "vectors":
        return [Line(s.first + i, 1, s.text.strip(), s.tokens) for s in signs for i in range(s.vectors)]
    groups = [[sign] for sign in signs[:1]]
    for before, sign in pairwise(signs):
        if _BOUNDARY[by](before, sign):
            groups.append([sign])
        else:
            groups[-1].append(sign)
    return [_join(group) for group in groups if not (by == "comma" and _is_comma(group[0]))]


def _signs(pieces: Sequence[Piece], rows: Mapping[str, int], token_text: Callable[[int], str]) -> Iterator[Line]:
    """One token or one embedding each; the text ends with a space where a word ends."""
    first = 0
    for piece in pieces:
        if isinstance(piece, str):
            sign = Line(first, rows[piece], piece + " ")
        else:
            assert piece is not None  # texts hold no padding
            text = token_text(piece)
            sign = Line(first, 1, text.removesuffix("</w>") + (" " if text.endswith("</w>") else ""), (piece,))
        yield sign
        first += sign.vectors


def _join(group: Sequence[Line]) -> Line:
    return Line(
        group[0].first,
        sum(sign.vectors for sign in group),
        "".join(sign.text for sign in group).strip(),
        tuple(token for sign in group for token in sign.tokens),
    )


def _is_comma(sign: Line) -> bool:
    return bool(sign.tokens) and sign.text.strip() == ","


def _embeddings_apart(before: Line, after: Line) -> bool:
    return not (before.tokens and after.tokens)


_BOUNDARY: Mapping[Grouping, Callable[[Line, Line], bool]] = {
    "none": lambda before, after: False,
    "comma": lambda before, after: _is_comma(before) or _is_comma(after),
    "parts": _embeddings_apart,
    "words": lambda before, after: before.text.endswith(" ") or _embeddings_apart(before, after),
    "tokens": lambda before, after: True,
}
