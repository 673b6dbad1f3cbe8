"""Expressions inside a prompt: `a photo of <'cat'+'dog'>, {'fog'*0.5}`. Nothing is remembered: all follows from the prompt."""

import hashlib
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from lib_ti.errors import InvalidText

# The closer is the first one outside quotes; a doubled quote inside a text closes and opens again. What the embedding-merge
# extension leaves in a prompt, names like <'EM_1'>, is no expression any more.
_SYNTAX = r"""
      (?P<merged> <'EM[_/-][0-9]+'> | \{'EM[_/-][0-9]+'\} )
    | < (?P<angle> (?: '[^']*' [^'>]* )+ ) >
    | \{ (?P<curly> (?: '[^']*' [^'}]* )+ ) \}
    | (?P<unclosed> <' | \{' )
    """
_EXPRESSION = re.compile(_SYNTAX, re.VERBOSE)
_COMMENT_OR_EXPRESSION = re.compile(rf"(?P<comment> \#[^\n]* ) | {_SYNTAX}", re.VERBOSE)
_PRIVATE = range(0xE000, 0xF900)


@dataclass(frozen=True)
class Found:
    """An expression without its brackets; `start` and `end` are the brackets' characters in the prompt, half open."""

    text: str
    start: int
    end: int


def may_hold_expression(text: str) -> bool:
    """Cheap, for prompts without one."""
    return "<'" in text or "{'" in text


def find_expressions(prompt: str) -> Iterator[Found]:
    """In order of place. Raises InvalidText where one has no end."""
    if not may_hold_expression(prompt):
        return
    for match in _EXPRESSION.finditer(prompt):
        if match["merged"]:
            continue
        if match["unclosed"]:
            closer = ">" if match[0] == "<'" else "}"
            raise InvalidText(
                f"An expression begins here and has no {closer} after its last closing quote.",
                prompt,
                *match.span(),
                f"Close it with {closer}, or put a space after the bracket if it is plain text.",
            )
        yield Found(match["angle"] or match["curly"], *match.span())


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
    `comments` an expression behind a `#` is part of a comment, and stays.
    """
    signs = (chr(code) for code in _PRIVATE if chr(code) not in prompt)
    hidden: dict[str, str] = {}

    def hide(match: re.Match[str]) -> str:
        if not (match["angle"] or match["curly"]):
            return match[0]
        sign = next(signs)
        hidden[sign] = match[0]
        return sign

    def show(text: str) -> str:
        return "".join(hidden.get(character, character) for character in text)

    return (_COMMENT_OR_EXPRESSION if comments else _EXPRESSION).sub(hide, prompt), show


def placeholder(*parts: str) -> str:
    """A word that no prompt uses, the same for the same `parts`: the expression and what else its vectors depend on.

    Letters alone, for a host may cut a word at every digit.
    """
    digest = hashlib.sha256("\0".join(parts).encode(errors="surrogatepass")).hexdigest()[:20]
    return "tilab" + digest.translate(str.maketrans("0123456789abcdef", "ghijklmnopqrstuv"))
