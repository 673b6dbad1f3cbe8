"""Expressions inside a prompt: `a photo of <'cat'+'dog'>, {('fog'+'rain')*0.5}`. Nothing is remembered: all follows from the prompt.

What begins with a bracket and a quote is an expression, and a mistake in it an error. What begins with a bracket and then with
parentheses or minus signs before a quote is one where it can be read as one, and else plain text that is warned of: such signs
stand in ordinary prompts too.
"""

import hashlib
import re
from bisect import bisect_left
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import islice

from lib_ti.errors import InvalidText
from lib_ti.expression.advice import Advice
from lib_ti.expression.parser import parse_expression

_OPENING = r"[<{] (?P<lead> [-(] [-(\s]* )? '"
# What the embedding-merge extension leaves in a prompt, names like <'EM_1'>, is no expression any more.
_MERGED = r"(?P<skipped> <'EM[_/-][0-9]+'> | \{'EM[_/-][0-9]+'\} )"
_MERGED_OR_COMMENT = _MERGED.replace(")", r"| \#[^\n]* )")
_BEGIN = re.compile(f"{_MERGED} | {_OPENING}", re.VERBOSE)
_BEGIN_OUTSIDE_COMMENTS = re.compile(f"{_MERGED_OR_COMMENT} | {_OPENING}", re.VERBOSE)
_MAY_BEGIN = re.compile(_OPENING, re.VERBOSE)
_CLOSERS = {"<": ">", "{": "}"}
_SHOWN = 60
_MOST_ADVICE = 5
# Characters that have no meaning to anyone: Unicode's three private areas.
_PRIVATE = (*range(0xE000, 0xF900), *range(0xF0000, 0xFFFFE), *range(0x100000, 0x10FFFE))


@dataclass(frozen=True)
class Found:
    """An expression without its brackets; `start` and `end` are the brackets' characters in the prompt, half open."""

    text: str
    start: int
    end: int


class Brackets:
    """The angle and curly brackets of a text, found in one pass, so that a text of nothing but openings is quickly read."""

    def __init__(self, text: str) -> None:
        self._quotes: list[int] = []
        self._places: dict[tuple[str, int], list[int]] = {(sign, odd): [] for sign in "<>{}" for odd in (0, 1)}
        for match in re.finditer("[<>{}']", text):
            if match[0] == "'":
                self._quotes.append(match.start())
            else:
                self._places[match[0], len(self._quotes) % 2].append(match.start())

    def after(self, begin: int, signs: str) -> int | None:
        """Where the first of `signs` stands that has an even number of quotes between `begin` and itself.

        A doubled quote inside a quoted text closes and opens it again.
        """
        odd = bisect_left(self._quotes, begin) % 2
        places = [self._places[sign, odd] for sign in signs]
        nexts = [(found, bisect_left(found, begin)) for found in places]
        return min((found[index] for found, index in nexts if index < len(found)), default=None)


def may_hold_expression(text: str) -> bool:
    """Cheap, for prompts without one."""
    return "'" in text and _MAY_BEGIN.search(text) is not None


def find_expressions(prompt: str) -> Iterator[Found]:
    """In order of place. Raises InvalidText where one has no end."""
    for seen in _scan(prompt):
        if isinstance(seen, InvalidText):
            raise seen
        if isinstance(seen, Found):
            yield seen


def advise_prompt(prompt: str) -> list[Advice]:
    """On what is nearly an expression, and is read as plain text; of many such places on the first few."""
    return list(islice((seen for seen in _scan(prompt) if isinstance(seen, Advice)), _MOST_ADVICE))


def _scan(prompt: str, begin: re.Pattern[str] = _BEGIN) -> Iterator[Found | Advice | InvalidText]:
    if not may_hold_expression(prompt):
        return
    brackets, position = Brackets(prompt), 0
    while match := begin.search(prompt, position):
        position = match.end()
        if match["skipped"]:
            continue
        start, lead = match.start(), match["lead"]
        closer = _CLOSERS[prompt[start]]
        # Outside of texts no expression holds a bracket, so of many beginnings each is read up to the next one only.
        end = brackets.after(start + 1, "<>{}" if lead else closer)
        closed = end is not None and prompt[end] == closer
        if end is not None and closed and (fault := _fault(prompt[start + 1 : end]) if lead else None) is None:
            yield Found(prompt[start + 1 : end], start, end + 1)
            position = end + 1
            continue
        position = start + 1
        if lead:
            yield _nearly(prompt, start, end + 1 if closed and end else position, fault if closed else None, closer)
        else:
            yield InvalidText(
                f"An expression begins here and has no {closer} after its last closing quote.",
                prompt,
                *match.span(),
                f"Close it with {closer}, or put a space after the bracket if it is plain text.",
            )


def _fault(text: str) -> InvalidText | None:
    try:
        parse_expression(text)
    except InvalidText as error:
        return error
    return None


def _nearly(prompt: str, start: int, end: int, fault: InvalidText | None, closer: str) -> Advice:
    shown = prompt[start : end if fault and end - start <= _SHOWN else start + _SHOWN]
    why = fault.message if fault else f"It has no {closer} after its last closing quote."
    return Advice(
        f"{shown} is nearly an expression, and read as plain text. {why}",
        "Mend it, or put a space after the bracket if it is plain text.",
        (start, end),
    )


def rewrite_prompt(prompt: str, place: Callable[[str], str]) -> str:
    """The prompt for the host, with `place(expression)` in each expression's place: a placeholder, or "" for no rows.

    A placeholder is kept apart from its neighbours by spaces, which mean nothing to the text encoder: a host finds it by its
    tokens, and letters or signs that touch it would change these. Errors of `place` pass through.
    """
    written, end = [], 0
    for found in find_expressions(prompt):
        before = prompt[end : found.start]
        written += [before, "" if before[-1:].isspace() else " ", place(found.text)]
        end = found.end
        written.append("" if prompt[end : end + 1].isspace() else " ")
    return "".join([*written, prompt[end:]])


def hide_expressions(prompt: str, comments: bool) -> tuple[str, Callable[[str], str]]:
    """The prompt with a sign that stands nowhere else in each expression's place, and what puts the expressions back.

    For hosts that search prompts for syntax of their own, which the texts of an expression may hold as plain words. With
    `comments` an expression behind a `#` is part of a comment, and stays. Raises InvalidText where the signs do not suffice.
    """
    used = set(prompt)
    signs = (sign for sign in map(chr, _PRIVATE) if sign not in used)
    hidden: dict[str, str] = {}
    written, end = [], 0
    for found in _scan(prompt, _BEGIN_OUTSIDE_COMMENTS if comments else _BEGIN):
        if not isinstance(found, Found):
            continue
        sign = next(signs, None)
        if sign is None:
            message = f"This prompt holds more than {len(hidden)} expressions."
            raise InvalidText(message, prompt[found.start : found.end], 0, found.end - found.start)
        hidden[sign] = prompt[found.start : found.end]
        written += [prompt[end : found.start], sign]
        end = found.end

    def show(text: str) -> str:
        return "".join(hidden.get(character, character) for character in text)

    return "".join([*written, prompt[end:]]), show


def placeholder(*parts: str) -> str:
    """A word that no prompt uses, the same for the same `parts`: the expression and what else its vectors depend on.

    Letters alone, for a host may cut a word at every digit.
    """
    digest = hashlib.sha256("\0".join(parts).encode(errors="surrogatepass")).hexdigest()[:20]
    return "tilab" + digest.translate(str.maketrans("0123456789abcdef", "ghijklmnopqrstuv"))
