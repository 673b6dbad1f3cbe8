"""What strangers' files are read with: no pipe is waited for, nothing larger than it may be is taken in, and JSON is plain JSON.

Faults are those of plain reading, OSError and ValueError; their words are meant for users.
"""

import errno
import json
import math
import os
import stat
from pathlib import Path
from typing import Any, BinaryIO

MAX_TEXT_BYTES = 8 * 1024 * 1024
"""Of a text that people write: a template, a caption."""
MOST_TABLES = 200_000
"""In one JSON text: each costs memory and time that its two letters do not show."""
DEEPEST_JSON = 64
"""Tables within tables. A recipe grows by one or two with each file that is made of another; no honest one comes near."""


def open_file(path: Path) -> BinaryIO:
    """For reading, in bytes. Raises OSError, also for what is no file: a pipe would be waited for, a device has no end."""
    opener = None if os.name == "nt" else _without_waiting
    file = open(path, "rb", opener=opener)  # noqa: SIM115 - Path.open knows no opener; the caller closes it
    if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
        file.close()
        raise OSError(errno.EINVAL, "It is a pipe or a device, not a file", str(path))
    return file


def _without_waiting(path: str, flags: int) -> int:
    return os.open(path, flags | os.O_NONBLOCK)


def read_file(path: Path, most: int) -> bytes:
    """All of it. Raises OSError, also where it has more than `most` bytes."""
    with open_file(path) as file:
        size = os.fstat(file.fileno()).st_size
        if size > most:
            raise OSError(errno.EFBIG, f"It has {size} bytes, more than the {most} that we read", str(path))
        return file.read(size)


def read_text(path: Path, most: int = MAX_TEXT_BYTES) -> str:
    """UTF-8, with or without a byte order mark. Raises OSError, and UnicodeDecodeError, which is a ValueError."""
    return read_file(path, most).decode("utf-8-sig")


def read_json(text: str | bytes, deepest: int = DEEPEST_JSON) -> Any:
    """Without NaN and Infinity, which are no JSON: None stands for them. Raises ValueError, also where it is nested too deeply
    or holds very many tables."""
    raw = text if isinstance(text, bytes) else text.encode(errors="replace")
    if raw.count(b"{") + raw.count(b"[") > MOST_TABLES:
        raise ValueError(f"it is nested too deeply, or holds more than {MOST_TABLES} tables and lists")
    try:
        value = json.loads(text, parse_constant=lambda _: None, parse_float=_finite, parse_int=whole_number)
    except RecursionError as error:
        raise ValueError("it is nested too deeply") from error
    layer = [value]
    for _ in range(deepest):
        layer = [inner for one in layer for inner in _inside(one)]
        if not layer:
            return value
    raise ValueError(f"it is nested more than {deepest} deep")


def _inside(value: Any) -> list[Any]:
    if isinstance(value, dict):
        return list(value.values())
    return value if isinstance(value, list) else []


def whole_number(digits: str) -> int:
    """Raises ValueError for more digits than anybody needs: Python before 3.10.7 reads a million of them for minutes."""
    if len(digits) > 100:
        raise ValueError(f"a number of {len(digits)} digits")
    return int(digits)


def _finite(digits: str) -> float | None:
    number = float(digits)
    return number if math.isfinite(number) else None
