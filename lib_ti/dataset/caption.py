"""The words that go with a picture: read from a `.txt` beside it or its name, varied from sample to sample, and written."""

from __future__ import annotations

import random
import re
import time
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from lib_ti.atomic import write_atomically
from lib_ti.chance import shuffled
from lib_ti.errors import Fault, InvalidDataset
from lib_ti.reading import read_text

if TYPE_CHECKING:
    import regex

_FIELD = "data.word_regex"
REGEX_SECONDS = 5
# A1111's rule: what numbering and its own preprocessing leave at the front of a name, as in "00003-0-red boat".
_NUMBERING = re.compile(r"^[-\d]+\s*")


def find_caption(picture: Path, word_regex: str = "", join_words: str = " ", class_words: str = "") -> str:
    """The caption of `picture`, on one line: its .txt file, else `class_words` (of a kohya folder), else its name.

    Raises InvalidDataset for a caption file that cannot be read.
    """
    path = picture.with_suffix(".txt")
    if path.is_file():
        return _load_caption(path)
    return class_words or caption_from_name(picture.stem, word_regex, join_words)


def caption_from_name(stem: str, word_regex: str = "", join_words: str = " ") -> str:
    """Digits and dashes at the front go; `word_regex`, if any, picks words (its group, if it has one) for `join_words`.

    Raises InvalidDataset, at `data.word_regex`, where it is no regular expression or does not come to an end.
    """
    words = _NUMBERING.sub("", stem)
    if word_regex:
        words = join_words.join(_find_words(words, _compile(word_regex), REGEX_SECONDS))
    return _one_line(words)


def prove_word_regex(word_regex: str, stems: Iterable[str]) -> None:
    """Reads the names of pictures, for all of which there are REGEX_SECONDS together. Raises InvalidDataset."""
    pattern = _compile(word_regex)
    end = time.monotonic() + REGEX_SECONDS
    for stem in stems:
        _find_words(_NUMBERING.sub("", stem), pattern, max(end - time.monotonic(), 0.001))


def _compile(word_regex: str) -> regex.Pattern[str]:
    """By the package `regex` and not by `re`, whose search nothing can end."""
    try:
        import regex
    except ImportError:
        message = "a word regex needs the Python package regex, which is not installed"
        raise InvalidDataset([Fault(_FIELD, message, "install it (pip install regex), or leave this empty")]) from None
    try:
        return regex.compile(word_regex)
    except (regex.error, RecursionError, OverflowError) as error:
        message = f"{word_regex!r} is not a regular expression: {error}"
        raise InvalidDataset([Fault(_FIELD, message, "mend it, or leave it empty")]) from None


def _find_words(text: str, pattern: regex.Pattern[str], seconds: float) -> list[str]:
    try:
        found = pattern.finditer(text, timeout=seconds, concurrent=True)  # concurrent: other threads go on meanwhile
        return [match[min(pattern.groups, 1)] or "" for match in found]
    except TimeoutError:
        message = f"{pattern.pattern!r} takes more than {REGEX_SECONDS} seconds to read names such as {text!r}"
        hint = "write one without a repeat inside a repeat, such as \\w+, or leave it empty"
        raise InvalidDataset([Fault(_FIELD, message, hint)]) from None


def split_tags(caption: str) -> list[str]:
    return [tag.strip() for tag in caption.split(",") if tag.strip()]


def vary_tags(caption: str, rng: random.Random, shuffle: bool = False, dropout: float = 0.0, keep: int = 0) -> str:
    """`caption` with its comma-separated tags after the first `keep` left out by chance `dropout` each, then shuffled."""
    if not shuffle and not dropout:
        return caption
    tags = split_tags(caption)
    rest = [tag for tag in tags[keep:] if rng.random() >= dropout]
    return ", ".join(tags[:keep] + (shuffled(rest, rng) if shuffle else rest))


def _load_caption(path: Path) -> str:
    try:
        return _one_line(read_text(path))
    except UnicodeDecodeError as error:
        raise InvalidDataset([Fault(str(path), "is not UTF-8 text", "save it as UTF-8 in a text editor")]) from error
    except OSError as error:
        message = f"cannot be read: {error.strerror}"
        raise InvalidDataset([Fault(str(path), message, "check the file and its permissions")]) from error


def _one_line(text: str) -> str:
    return " ".join(text.split())


def caption_path(picture: Path) -> Path:
    return picture.with_suffix(".txt")


def existing_caption(picture: Path) -> str:
    """Of the `.txt`; "" where there is none. Raises InvalidDataset if it cannot be read."""
    return find_caption(picture) if caption_path(picture).is_file() else ""


def combine_captions(existing: str, new: str, action: str) -> str:
    """By config `captions.existing`. Where only one of both is there, that one."""
    if not existing or not new:
        return existing or new
    ways = {"keep": existing, "ignore": new, "prepend": f"{existing}, {new}", "append": f"{new}, {existing}"}
    return ways[action]


def save_caption(picture: Path, caption: str) -> None:
    """One line of UTF-8; an empty one leaves the picture to be captioned by its name. Raises TIError."""
    words = " ".join(caption.split())
    if words:
        write_atomically(caption_path(picture), words.encode())
    else:
        caption_path(picture).unlink(missing_ok=True)
