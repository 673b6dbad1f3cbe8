"""Further folders of pictures beside the first, and further embeddings: a line each, with the settings in which it differs.

    text    = { line }                 line = THING { ";" setting }
    setting = NAME "=" VALUE           such as: more pictures; repeats=3; template=style; caption_prefix=a red

NAME is that of a setting of the same part. Blanks around each part do not count, unless it is in double quotes; blank lines do
not either.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, TypeVar

from lib_ti.config.options import build_config, config_values
from lib_ti.errors import Fault, InvalidConfig, InvalidText

Part = TypeVar("Part")


@dataclass(frozen=True)
class Kind:
    """What lines are of: `part` and `key` are the setting that a line's first part is, as in "data.folder"; `first_alone` is what no
    line can set."""

    part: str
    key: str
    first_alone: tuple[str, ...]
    example: str

    @property
    def where(self) -> str:
        """The setting that holds the lines."""
        return f"{self.part}.more"


FOLDERS = Kind("data", "folder", ("folder", "more", "class_folder", "class_word"), "FOLDER; repeats=3")
EMBEDDINGS = Kind("embedding", "name", ("name", "more", "negative", "resume", "overwrite"), "NAME; vectors=4")


@dataclass(frozen=True)
class Line:
    thing: str
    settings: Mapping[str, str] = field(default_factory=dict)


def parse_lines(text: str, kind: Kind) -> list[Line]:
    """Raises InvalidText with the fault under a caret."""
    return [_parse_line(line, kind) for line in text.splitlines() if line.strip()]


def write_lines(lines: Iterable[Line]) -> str:
    """What is read as these `lines`, unless one of their texts holds a semicolon, a double quote at an end or the end of a line."""
    return "\n".join(
        "; ".join([line.thing, *(f'{name}="{value}"' for name, value in line.settings.items())]) for line in lines
    )


def _parse_line(line: str, kind: Kind) -> Line:
    thing, *parts = line.split(";")
    if not _bare(thing):
        raise InvalidText(f"The {kind.key} is missing.", line, 0, len(thing), f"Write it first: {kind.example}.")
    settings: dict[str, str] = {}
    start = len(thing) + 1
    for part in parts:
        name, equals, value = part.partition("=")
        name = name.strip().removeprefix(f"{kind.part}.")
        span = start + len(part) - len(part.lstrip()), start + len(part.rstrip())
        start += len(part) + 1
        if not part.strip():
            continue
        if not equals:
            example = kind.example.partition("; ")[2]
            raise InvalidText("This setting has no value.", line, *span, f"Write it as NAME=VALUE, such as {example}.")
        if name in settings or name in kind.first_alone:
            reason = "stands here twice" if name in settings else "cannot be set in a line"
            raise InvalidText(f"{name} {reason}.", line, *span, "Take it out.")
        settings[name] = _bare(value)
    return Line(_bare(thing), settings)


def further(first: Part, text: str, kind: Kind, own: Mapping[str, Any]) -> list[Part]:
    """One of `first`'s class for each line of `text`: with the settings of `first`, but for `own` and for what the line says.

    Raises InvalidConfig, at the setting that holds the lines.
    """
    found: list[Part] = []
    faults: list[Fault] = []
    try:
        lines = parse_lines(text, kind)
    except InvalidText as error:
        raise InvalidConfig([Fault(kind.where, str(error))]) from None
    for line in lines:
        values = {**config_values(first), "more": "", **own, **line.settings, kind.key: line.thing}
        try:
            found.append(build_config(type(first), values))
        except InvalidConfig as error:
            faults += [replace(one, where=kind.where, message=f"{line.thing}: {one}", hint="") for one in error.faults]
    if faults:
        raise InvalidConfig(faults)
    return found


def _bare(text: str) -> str:
    """Without blanks around it, and then without one pair of double quotes."""
    text = text.strip()
    return text[1:-1] if len(text) > 1 and text[0] == text[-1] == '"' else text
