"""Expressions inside a prompt: `a photo of <'cat'+'dog'>, {'fog'*0.5}`. Nothing is remembered: all follows from the prompt."""

import hashlib
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from lib_ti.errors import InvalidText

# The closer is the first one outside quotes; a doubled quote inside a text closes and opens again.
_EXPRESSION = re.compile(
    r"""
      < (?P<angle> (?: '[^']*' [^'>]* )+ ) >
    | \{ (?P<curly> (?: '[^']*' [^'}]* )+ ) \}
    | (?P<unclosed> <' | \{' )
    """,
    re.VERBOSE,
)


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


def placeholder(*parts: str) -> str:
    """A word that no prompt uses, the same for the same `parts`: the expression and what else its vectors depend on.

    Letters alone, for a host may cut a word at every digit.
    """
    digest = hashlib.sha256("\0".join(parts).encode(errors="surrogatepass")).hexdigest()[:20]
    return "tilab" + digest.translate(str.maketrans("0123456789abcdef", "ghijklmnopqrstuv"))
