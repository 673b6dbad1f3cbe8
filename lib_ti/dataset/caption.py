"""The words that go with a picture: read from a `.txt` beside it or its name, varied from sample to sample, and written."""

import random
import re
from pathlib import Path

from lib_ti.atomic import write_atomically
from lib_ti.chance import shuffled
from lib_ti.errors import Fault, InvalidDataset
from lib_ti.reading import read_text

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
    """Digits and dashes at the front go; `word_regex`, if any, picks words (its group, if it has one) for `join_words`."""
    words = _NUMBERING.sub("", stem)
    if word_regex:
        pattern = re.compile(word_regex)
        words = join_words.join(match[min(pattern.groups, 1)] or "" for match in pattern.finditer(words))
    return _one_line(words)


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
