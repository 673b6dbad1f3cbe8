"""Names of embeddings: a file's name on every system, and a word of prompts at once."""

import re
from collections.abc import Iterable, Sequence
from pathlib import Path

from lib_ti.embedding.limits import MAX_NAME_CHARACTERS
from lib_ti.errors import Fault, InvalidConfig
from lib_ti.host import TextModel

HOST_SUFFIXES = (".pt", ".bin", ".safetensors", ".png", ".webp", ".jxl", ".avif")
"""What WebUIs take for an embedding."""

_FILE_CHARACTERS = '/\\:*?"<>|'
_PROMPT_CHARACTERS = "()[]{}<>|:,'\""
_PROMPT_WORDS = ("AND", "BREAK")
_DEVICES = {"CON", "PRN", "AUX", "NUL"} | {f"{port}{number}" for port in ("COM", "LPT") for number in range(10)}
# How CLIP cuts text before its word pieces: runs of letters, single digits, runs of other signs.
_CLIP_WORDS = re.compile(r"[^\W\d_]+|\d|[^\s\w]+|_+")


def check_name(name: str, where: str = "embedding.name") -> str:
    """`name` itself where it is safe as a file's name on Linux, macOS and Windows and as a word of a prompt.

    Raises InvalidConfig with all that is wrong, as faults of the field `where`.
    """
    faults = [Fault(where, message, hint) for message, hint in _name_faults(name)]
    if faults:
        raise InvalidConfig(faults)
    return name


def _name_faults(name: str) -> Iterable[tuple[str, str]]:
    if not name.strip(" ."):
        yield "a name is missing", "write a word that no prompt uses otherwise, such as my-cat-7"
        return
    if len(name) > MAX_NAME_CHARACTERS or len(name.encode(errors="replace")) > 2 * MAX_NAME_CHARACTERS:
        yield f"a name of {len(name)} characters is too long for some systems", f"take at most {MAX_NAME_CHARACTERS}"
    if not name.isprintable():
        yield "the name holds a character that cannot be shown", "type it anew"
    if bad := [sign for sign in _FILE_CHARACTERS if sign in name]:
        yield f"{_listed(bad)} cannot stand in a file's name", "use letters, digits, - and _"
    if bad := [sign for sign in _PROMPT_CHARACTERS if sign in name and sign not in _FILE_CHARACTERS]:
        yield f"{_listed(bad)} means something else in prompts", "use letters, digits, - and _"
    if name[0] in " ." or name[-1] in " .":
        yield "a name can neither begin nor end with a dot or a space", f"did you mean {name.strip(' .')!r}?"
    if name.split(".")[0].strip().upper() in _DEVICES:
        yield f"{name!r} is a device on Windows, not a file", "add a letter"
    if name.strip() in _PROMPT_WORDS:
        yield f"{name!r} is a command in prompts", "write it in small letters, or take another word"
    if name.lower().endswith(HOST_SUFFIXES):
        yield "the name holds a file's ending", f"did you mean {Path(name).stem!r}?"
    if name.lower().endswith(".preview"):
        yield "WebUIs take NAME.preview.png for a thumbnail", "leave .preview out"


def _listed(signs: Sequence[str]) -> str:
    return " ".join(dict.fromkeys(signs))


def name_remark(name: str, text_model: TextModel) -> str:
    """Good to know of a `name` like many, which is no reason to warn: a few ordinary words in a row; else ""."""
    ids = text_model.tokenize(name)
    if not (1 < len(ids) <= 3 and len(ids) == len(_CLIP_WORDS.findall(name))):
        return ""
    return f"{name!r} is made of words that the model knows: prompts that hold them in this order get it."


def shadow_warnings(name: str, text_model: TextModel, files: Iterable[Path] = ()) -> list[str]:
    """What will surprise a user of `name` in prompts: a word that it takes over, and other embeddings among `files`."""
    ids = text_model.tokenize(name)
    warnings = []
    if len(ids) == 1:
        warnings.append(
            f"{name!r} is a word that the model knows: every prompt with it will get the embedding instead."
        )
    others: dict[str, list[Path]] = {}
    for file in files:
        if file.suffix.lower() in HOST_SUFFIXES and not file.stem.lower().endswith(".preview"):
            others.setdefault(file.stem, []).append(file)
    for stem, paths in others.items():
        theirs = text_model.tokenize(stem)
        if stem.lower() == name.lower():
            found = ", ".join(path.name for path in paths)
            warnings.append(f"{found} has this name already: a WebUI keeps one of them, whichever it reads last.")
        elif theirs == ids:
            warnings.append(f"{name!r} and {stem!r} are one and the same to the model.")
        elif _holds(theirs, ids):
            warnings.append(
                f"{name!r} stands in {stem!r}: where that one is not loaded, its name in a prompt calls {name!r}."
            )
        elif _holds(ids, theirs):
            warnings.append(
                f"{stem!r} stands in {name!r}: where {name!r} is not loaded, its name in a prompt calls {stem!r}."
            )
    return warnings


def _holds(longer: Sequence[int], shorter: Sequence[int]) -> bool:
    """Hosts compare runs of tokens and ask for no word boundary."""
    span = len(shorter)
    return bool(shorter) and any(longer[i : i + span] == shorter for i in range(len(longer) - span + 1))
