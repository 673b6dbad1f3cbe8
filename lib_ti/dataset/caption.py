"""The words that go with a picture: read from a `.txt` or `.caption` beside it or its name, varied from sample to sample, and written."""

from __future__ import annotations

import json
import random
import re
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from lib_ti.atomic import write_atomically
from lib_ti.chance import shuffled
from lib_ti.dataset.folder import CAPTION_ENDINGS, is_file
from lib_ti.errors import Fault, InvalidDataset
from lib_ti.reading import read_text

REGEX_SECONDS = 10
"""For all names together, and for a process to start."""
_PICK = """
import json, re, sys
pattern, texts = json.load(sys.stdin)
try:
    regex = re.compile(pattern)
except (re.error, RecursionError, OverflowError) as error:
    answer = [str(error), []]
else:
    group = min(regex.groups, 1)
    answer = ["", [[match[group] or "" for match in regex.finditer(text)] for text in texts]]
json.dump(answer, sys.stdout)
"""
# A1111's rule: what numbering and its own preprocessing leave at the front of a name, as in "00003-0-red boat".
_NUMBERING = re.compile(r"^[-\d]+\s*")


def find_caption(picture: Path, otherwise: str | None = None) -> str:
    """The caption of `picture`, on one line: its .txt file, or .caption, else what is known `otherwise`, else its name.

    Raises InvalidDataset for a caption file that cannot be read.
    """
    if files := caption_files(picture):
        return _load_caption(files[0])
    return caption_from_name(picture.stem) if otherwise is None else otherwise


def mark_class(caption: str, word: str, picture: Path) -> str:
    """The caption of a class picture with [name] in place of the class `word`, wherever it stands as a word of its own.

    One that holds [name] stays as it is. Raises InvalidDataset where it holds neither: it would teach the embedding nothing.
    """
    if "[name]" in caption:
        return caption
    marked, count = re.subn(rf"(?<!\w){re.escape(word)}(?!\w)", "[name]", caption, flags=re.IGNORECASE)
    if not word or not count:
        message = f"the caption {caption!r} does not hold the class word {word!r}"
        raise InvalidDataset(
            [Fault(str(picture), message, "set data.class_word to what captions call it, or put [name] there")]
        )
    return marked


def caption_from_name(stem: str) -> str:
    """Digits and dashes at the front go."""
    return _one_line(_NUMBERING.sub("", stem))


def pick_words(stems: Sequence[str], word_regex: str, join_words: str) -> list[str]:
    """Captions from the names of pictures: the words that `word_regex` finds (its group, if it has one), with `join_words` between.

    It is the user's own, and some never come to an end, whatever else is waiting. So it is read as A1111 reads it, by `re`, but in
    a process of its own, which can be ended. Raises InvalidDataset, at `data.word_regex`, where it is no regular expression or
    takes more than REGEX_SECONDS.
    """
    asked = json.dumps([word_regex, [_NUMBERING.sub("", stem) for stem in stems]]).encode()
    no_window = getattr(subprocess, "CREATE_NO_WINDOW", 0)  # of Windows
    try:
        done = subprocess.run(
            [sys.executable, "-I", "-c", _PICK],
            input=asked,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            timeout=REGEX_SECONDS,
            check=True,
            creationflags=no_window,
        )
    except subprocess.TimeoutExpired:
        message = f"{word_regex!r} takes more than {REGEX_SECONDS} seconds to read the names of the pictures"
        raise _refused(message, "write one without a repeat inside a repeat, such as \\w+, or leave it empty") from None
    except (OSError, subprocess.SubprocessError) as error:
        message = f"{word_regex!r} cannot be tried on the names of the pictures: {error}"
        raise _refused(message, "write a simpler one, such as \\w+, or leave it empty") from None
    fault, found = json.loads(done.stdout)
    if fault:
        raise _refused(f"{word_regex!r} is not a regular expression: {fault}", "mend it, or leave it empty")
    return [_one_line(join_words.join(words)) for words in found]


def _refused(message: str, hint: str) -> InvalidDataset:
    return InvalidDataset([Fault("data.word_regex", message, hint)])


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


def caption_files(picture: Path) -> list[Path]:
    """Those that are there; the first one counts."""
    paths = [picture.with_suffix(ending) for ending in CAPTION_ENDINGS]
    return [path for path in paths if is_file(path)]


def caption_path(picture: Path) -> Path:
    """The file that holds its caption, or may."""
    return next(iter(caption_files(picture)), picture.with_suffix(CAPTION_ENDINGS[0]))


def existing_caption(picture: Path) -> str:
    """Of its file; "" where there is none. Raises InvalidDataset if it cannot be read."""
    return find_caption(picture, "")


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
