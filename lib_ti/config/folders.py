"""Further folders of pictures beside the first: a line each, with the settings in which a folder differs.

    text    = { line }                 line = FOLDER { ";" setting }
    setting = NAME "=" VALUE           such as: more pictures; repeats=3; template=style; caption_prefix=a red

NAME is that of a setting of data. Blanks around each part do not count, unless it is in double quotes; blank lines do not either.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from lib_ti.errors import InvalidText

FIRST_ALONE = ("folder", "more", "class_folder", "class_word")
"""What no line can set."""


@dataclass(frozen=True)
class FolderLine:
    folder: str
    settings: Mapping[str, str] = field(default_factory=dict)


def parse_folders(text: str) -> list[FolderLine]:
    """Raises InvalidText with the fault under a caret."""
    return [_parse_line(line) for line in text.splitlines() if line.strip()]


def write_folders(lines: Iterable[FolderLine]) -> str:
    """What is read as these `lines`, unless one of their texts holds a semicolon, a double quote at an end or the end of a line."""
    return "\n".join(
        "; ".join([line.folder, *(f'{name}="{value}"' for name, value in line.settings.items())]) for line in lines
    )


def _parse_line(line: str) -> FolderLine:
    folder, *parts = line.split(";")
    if not _bare(folder):
        raise InvalidText("The folder is missing.", line, 0, len(folder), "Write it first: FOLDER; repeats=3.")
    settings: dict[str, str] = {}
    start = len(folder) + 1
    for part in parts:
        name, equals, value = part.partition("=")
        name = name.strip().removeprefix("data.")
        span = start + len(part) - len(part.lstrip()), start + len(part.rstrip())
        start += len(part) + 1
        if not part.strip():
            continue
        if not equals:
            raise InvalidText("This setting has no value.", line, *span, "Write it as NAME=VALUE, such as repeats=3.")
        if name in settings or name in FIRST_ALONE:
            reason = "stands here twice" if name in settings else "cannot be set in a line"
            raise InvalidText(f"{name} {reason}.", line, *span, "Take it out.")
        settings[name] = _bare(value)
    return FolderLine(_bare(folder), settings)


def _bare(text: str) -> str:
    """Without blanks around it, and then without one pair of double quotes."""
    text = text.strip()
    return text[1:-1] if len(text) > 1 and text[0] == text[-1] == '"' else text
