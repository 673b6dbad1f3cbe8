"""Text to tokens. Nothing is refused here: what no rule knows becomes a token too, so that the parser tells the first fault first."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from lib_ti.expression.nodes import Span

Kind = Literal["string", "number", "word", "sign", "unclosed", "unknown", "end"]

_TOKEN = re.compile(
    r"""
      (?P<space>    \s+ )
    | (?P<string>   ' [^']* (?: '' [^']* )* ' (?!') )
    | (?P<unclosed> ' )
    | (?P<number>   (?: [0-9]+ (?: \. [0-9]+ )? | \. [0-9]+ ) (?: [eE] [+-]? [0-9]+ )? )
    | (?P<word>     [^\W\d_] \w* )
    | (?P<sign>     [-+*/:,=@()] )
    | (?P<unknown>  . )
    """,
    re.VERBOSE | re.DOTALL,
)


@dataclass(frozen=True)
class Lexeme:
    kind: Kind
    text: str
    span: Span


def lex(text: str) -> Iterator[Lexeme]:
    """Every token with its span, then one of kind "end"."""
    for match in _TOKEN.finditer(text):
        kind = match.lastgroup
        if kind == "unclosed":
            yield Lexeme("unclosed", text[match.start() :], (match.start(), len(text)))
            break
        if kind != "space":
            yield Lexeme(kind, match.group(), match.span())  # type: ignore[arg-type]  # the groups are the kinds
    yield Lexeme("end", "", (len(text), len(text)))


def unquote(string: str) -> str:
    return string[1:-1].replace("''", "'")


def quote(text: str) -> str:
    doubled = text.replace("'", "''")
    return f"'{doubled}'"
