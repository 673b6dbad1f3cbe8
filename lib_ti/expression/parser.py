"""Text to a tree: the lexer, then the merge-expression language by recursive descent, one method a rule.

    sum       = [ "-" ] term { ( "+" | "-" ) [ "-" ] term }
    term      = primary { [ "=" ] ( scale | crop | roll ) | append | keep }
    primary   = string | "(" sum ")"
    scale     = ( "*" | "/" ) number [ "L" | "G" ]
    crop      = ":" digits
    roll      = ":" ( "+" | "-" ) digits
    append    = "," ( string | token-id )
    keep      = "@" ( "L" | "G" )
    token-id  = "0" | "00" (padding) | "000" (end) | "0000" (start) | 1 .. 49407
    number    = [ "+" | "-" ] ( digits [ "." [ digits ] ] | "." digits ) [ "e" [ "+" | "-" ] digits ]
    string    = "'" { character | "''" } "'"

Postfixes apply left to right to their term. `=` first folds the sum so far into the term: `'a'+'b'=*2` is `('a'+'b')*2`.

The lexer refuses nothing: what no rule of its knows becomes a token too, so that the parser tells the first fault first.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Literal, NoReturn, cast

from lib_ti.errors import InvalidText
from lib_ti.expression import limits
from lib_ti.expression.nodes import (
    Append,
    Crop,
    EncoderLetter,
    Expression,
    Keep,
    Node,
    Part,
    Postfix,
    Roll,
    Scale,
    Span,
    Text,
    Token,
    chain_of,
    sum_of,
)

Kind = Literal["string", "number", "word", "sign", "unclosed", "unknown", "end"]

_TOKEN = re.compile(
    r"""
      (?P<space>    \s+ )
    | (?P<string>   ' [^']* (?: '' [^']* )* ' (?!') )
    | (?P<unclosed> ' )
    | (?P<number>   (?: [0-9]+ (?: \. [0-9]* )? | \. [0-9]+ ) (?: [eE] [+-]? [0-9]+ )? )
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


_TYPOGRAPHIC = '‘’‚‛“”„‟′`´"'
_OPERATORS = "+ - * / : , @"
_TOKENS = {"0": 0, "00": None, "000": limits.END, "0000": limits.START}


def parse_expression(text: str) -> Expression:
    """Raises InvalidText with what was expected, and where."""
    if len(text) > limits.CHARACTERS:
        raise InvalidText(
            f"This expression has {len(text):,} characters; at most {limits.CHARACTERS:,} can be read.",
            text[:80],
            0,
            80,
            "Save parts of it as embeddings and merge those.",
        )
    return Expression(_Parser(text).whole(), text)


class _Parser:
    def __init__(self, text: str) -> None:
        self._text = text
        self._unread = lex(text)
        self._lexemes = list[Lexeme]()
        self._index = 0
        self._open = 0

    def whole(self) -> Node:
        node = self._sum()
        if self._next.kind != "end":
            self._fail_after_term()
        return node

    def _sum(self) -> Node:
        parts = list[Part]()
        begin = self._next.span[0]
        positive = not self._take("-")
        while True:
            self._term(parts, positive, begin)
            if self._take("+"):
                positive = True
            elif self._take("-"):
                positive = False
            else:
                return self._bounded(sum_of(tuple(parts), (begin, self._end)))
            if self._take("-"):
                positive = not positive

    def _term(self, parts: list[Part], positive: bool, begin: int) -> None:
        """Read a term into the parts of the sum that began at `begin`: one more, or all of them in one where `=` folds."""
        start = self._next.span[0]
        node, postfixes = self._primary(), list[Postfix]()
        while self._at("*", "/", ":", ",", "@", "="):
            end = self._end
            if self._take("="):
                if not self._at("*", "/", ":"):
                    self._fail(
                        f"After '=' one of * / : was expected, not {_name(self._next)}.",
                        hint="Put the sum in brackets for the others: ('a'+'b'),'c'",
                    )
                if parts or not positive:
                    node = chain_of(node, tuple(postfixes), (start, end))
                    node, postfixes = self._bounded(sum_of((*parts, Part(positive, node)), (begin, end))), []
                    parts.clear()
                    positive, start = True, begin
            postfixes.append(self._postfix())
        parts.append(Part(positive, chain_of(node, tuple(postfixes), (start, self._end))))

    def _primary(self) -> Node:
        if self._next.kind == "string":
            return self._string()
        bracket = self._next
        if not self._take("("):
            self._fail_before_term()
        self._open += 1
        if self._open > limits.NESTING:
            self._fail(f"More than {limits.NESTING} brackets stand inside each other.", bracket)
        node = self._sum()
        if not self._at(")"):
            if self._next.kind != "end":
                self._fail_after_term()
            self._fail("This bracket is never closed.", bracket, "Add a ) where it ends.")
        self._take(")")
        self._open -= 1
        return node

    def _postfix(self) -> Postfix:
        operator = self._advance()
        begin = operator.span[0]
        match operator.text:
            case "*" | "/":
                number, encoder = self._number(operator), self._scaled_encoder()
                return Scale(operator.text, number, encoder, (begin, self._end))
            case ":" if self._at("+", "-"):
                sign = self._advance()
                by = self._whole(sign, "a number of rows")
                return Roll(-by if sign.text == "-" else by, (begin, self._end))
            case ":":
                return Crop(self._whole(operator, "a number of rows"), (begin, self._end))
            case ",":
                operand = self._string() if self._next.kind == "string" else self._token(operator)
                return Append(operand, (begin, self._end))
            case _:
                return Keep(self._encoder(operator), (begin, self._end))

    def _string(self) -> Text:
        lexeme = self._advance()
        return Text(unquote(lexeme.text), lexeme.span)

    def _number(self, operator: Lexeme) -> float:
        begin = self._next.span[0]
        sign = self._advance().text if self._at("+", "-") else ""
        lexeme = self._next
        if lexeme.kind != "number":
            self._fail(f"A number was expected after '{operator.text}', not {_name(lexeme)}.", hint="Write 0.5 or -2.")
        self._advance()
        number = float(sign + lexeme.text)
        span = begin, lexeme.span[1]
        if abs(number) == float("inf"):
            self._fail_at("This number is too large.", span)
        if operator.text == "/" and number == 0:
            self._fail_at("Nothing can be divided by zero.", span, "Write *0 for rows of zeros.")
        return number

    def _whole(self, before: Lexeme, what: str) -> int:
        lexeme = self._next
        if lexeme.kind != "number":
            self._fail(f"{what.capitalize()} was expected after '{before.text}', not {_name(lexeme)}.")
        if not lexeme.text.isdigit():
            self._fail(f"{what.capitalize()} is a whole number, which {lexeme.text} is not.")
        if len(lexeme.text) > limits.DIGITS:
            self._fail(f"This number is too large: at most {limits.DIGITS} digits can be read.")
        return int(self._advance().text)

    def _token(self, comma: Lexeme) -> Token:
        lexeme = self._next
        if lexeme.kind != "number":
            if lexeme.kind in ("word", "unknown", "unclosed"):
                self._fail_before_term()
            self._fail(f"A text in quotes or a token id was expected after ',', not {_name(lexeme)}.")
        if lexeme.text in _TOKENS:
            self._advance()
            return Token(_TOKENS[lexeme.text], lexeme.span)
        if lexeme.text.startswith("0") and lexeme.text.isdigit():
            self._fail(
                f"{lexeme.text} is not a token id.",
                hint="Ids have no zeros in front. For a decimal number write a point. "
                "Of zeros, 0 is the token '!', 00 padding, 000 the end and 0000 the start.",
            )
        number = self._whole(comma, "a token id")
        if number >= limits.VOCABULARY:
            self._fail_at(f"There is no token {number}: ids go up to {limits.VOCABULARY - 1}.", lexeme.span)
        return Token(number, lexeme.span)

    def _scaled_encoder(self) -> EncoderLetter | None:
        return self._encoder(self._next) if self._next.kind == "word" else None

    def _encoder(self, before: Lexeme) -> EncoderLetter:
        word = self._next
        if word.text not in ("L", "G"):
            close = get_close_matches(word.text.lower(), ("l", "g", "clip_l", "clip_g"), 1)
            after = f" after '{before.text}'" if before is not word else ""
            self._fail(
                f"An encoder, L or G, was expected{after}, not {_name(word)}.",
                hint=f"Did you mean {close[0][-1].upper()}?" if close else "",
            )
        return cast(EncoderLetter, self._advance().text)

    def _bounded(self, node: Node) -> Node:
        if node.depth > limits.NESTING:
            self._fail_at(
                f"Sums are nested more than {limits.NESTING} deep.",
                node.span,
                "Save the inner part as an embedding.",
            )
        return node

    @property
    def _next(self) -> Lexeme:
        if self._index == len(
            self._lexemes
        ):  # not before it is asked for: a long text with a fault in front is refused at once
            self._lexemes.append(next(self._unread))
        return self._lexemes[self._index]

    @property
    def _end(self) -> int:
        """Where the last token taken ends."""
        return self._lexemes[self._index - 1].span[1] if self._index else 0

    def _at(self, *signs: str) -> bool:
        return self._next.kind == "sign" and self._next.text in signs

    def _take(self, sign: str) -> bool:
        taken = self._at(sign)
        self._index += taken
        return taken

    def _advance(self) -> Lexeme:
        lexeme = self._next
        self._index += 1
        return lexeme

    def _fail_before_term(self) -> NoReturn:
        lexeme, expected = self._next, "A text in quotes"
        before = f" after '{self._lexemes[self._index - 1].text[-1]}'" if self._index else ""
        if lexeme.kind == "end":
            self._fail(f"{expected} is missing{before}.")
        hints = {"word": f"Write {quote(lexeme.text)}.", "number": "Multiply behind a text, as in 'cat'*2."}
        hint = hints.get(lexeme.kind, "") or _quote_hint(lexeme)
        if lexeme.kind == "unclosed":
            self._fail("This text has no closing quote.", hint="A quote inside a text is written twice: 'it''s'")
        self._fail(f"{expected} or a ( was expected{before}, not {_name(lexeme)}.", hint=hint)

    def _fail_after_term(self) -> NoReturn:
        lexeme, before = self._next, self._lexemes[self._index - 1]
        hint = _quote_hint(lexeme)
        if lexeme.kind in ("string", "unclosed") or self._at("("):
            hint = "Join two texts with + or with a comma. A quote inside a text is written twice: 'it''s'"
        elif lexeme.kind == "number" and before.kind == "number":
            hint = "A space cannot join digits."
        elif self._at(")"):
            hint = "This bracket was never opened."
        elif lexeme.kind == "word":
            hint = "Words stand in quotes; two quotes inside a text are one quote of it."
        self._fail(f"One of {_OPERATORS} or the end was expected after {before.text}, not {_name(lexeme)}.", hint=hint)

    def _fail(self, message: str, lexeme: Lexeme | None = None, hint: str = "") -> NoReturn:
        self._fail_at(message, (lexeme or self._next).span, hint)

    def _fail_at(self, message: str, span: Span, hint: str = "") -> NoReturn:
        raise InvalidText(message, self._text, *span, hint)


def _name(lexeme: Lexeme) -> str:
    return "the end" if lexeme.kind == "end" else lexeme.text if lexeme.kind == "string" else f"'{lexeme.text}'"


def _quote_hint(lexeme: Lexeme) -> str:
    return "Texts stand between straight single quotes: 'cat'" if lexeme.text in tuple(_TYPOGRAPHIC) else ""
