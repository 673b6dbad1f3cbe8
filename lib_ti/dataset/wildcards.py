"""Wildcards: `{red|blue} boat` is a red boat or a blue one, drawn anew each time, as in kohya's captions and dynamic prompts.

text   = { sign | "{" text { "|" text } "}" }
sign   = any, but { and } as \\{ and \\}; | outside of braces is itself, and inside of them is \\|
"""

import re
from collections.abc import Callable, Sequence

from lib_ti.errors import InvalidText

Choose = Callable[[Sequence[str]], str]
_SIGN = re.compile(r"\\[{|}]|[{|}]")
_HINT = "Write \\{ and \\} for braces that are meant as such, or turn wildcards off."


def expand(text: str, choose: Choose) -> str:
    """`text` with one of the options for each pair of braces, from the inside out, on one line.

    Options may be empty. Raises InvalidText at a brace without its partner.
    """
    opened: list[int] = []
    texts = [[""]]  # the options so far of each pair of braces that is open, after the text around them all
    end = 0
    for sign in _SIGN.finditer(text):
        texts[-1][-1] += text[end : sign.start()]
        end = sign.end()
        if sign[0] == "{":
            opened.append(sign.start())
            texts.append([""])
        elif sign[0] == "}":
            if not opened:
                raise InvalidText("This brace closes nothing.", text, *sign.span(), _HINT)
            opened.pop()
            options = texts.pop()
            texts[-1][-1] += choose(options)
        elif sign[0] == "|" and opened:
            texts[-1].append("")
        else:
            texts[-1][-1] += sign[0][-1]
    if opened:
        raise InvalidText("This brace is never closed.", text, opened[-1], opened[-1] + 1, _HINT)
    return " ".join((texts[0][0] + text[end:]).split())


def longest(options: Sequence[str]) -> str:
    return max(options, key=len)


def has_wildcards(text: str) -> bool:
    """Whether it looks as if wildcards were meant."""
    return re.search(r"(?<!\\)\{[^{}]*\|[^{}]*\}", text) is not None
