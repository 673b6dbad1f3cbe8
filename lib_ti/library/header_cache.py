"""Headers of files that were read before, in a file among the logs: a large folder is listed at once in a new process too."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from threading import Lock
from typing import Any, get_args

from lib_ti.atomic import write_atomically
from lib_ti.embedding.limits import MIB
from lib_ti.errors import InvalidEmbedding, TIError
from lib_ti.formats.files import Header, load_header
from lib_ti.formats.metadata import TOOL
from lib_ti.host import Family
from lib_ti.reading import DEEPEST_JSON, read_file, read_json

FILE = "ti-lab-headers.json"
MAX_FILES, MAX_BYTES, MAX_ENTRY_BYTES = 50_000, 64 * MIB, 16 * 1024
"""Of the cache: files it remembers, its size, and what one of them may take; longer ones are read anew."""
WORTH_WRITING = 100
"""Headers newly read; fewer are read again sooner than written."""

Known = tuple[int, int, Any]
"""Time of change in nanoseconds, size in bytes, and a `Header`, or JSON of one not looked at yet, or why there is none."""


class HeaderCache:
    """Without `file` it lives as long as the process. A cache that is damaged or of another version is an empty one."""

    def __init__(self, file: Path | None = None) -> None:
        self._file = file
        self._known: dict[str, Known] | None = None
        self._new = 0
        self._lock = Lock()

    def header(self, path: Path, changed: int, size: int) -> Header | str:
        """The header, or why there is none; the file is read only where its time (ns) or size differs from last time."""
        with self._lock:
            if self._known is None:
                self._known = _load(self._file) if self._file else {}
            known = self._known.get(str(path))
        if known and known[:2] == (changed, size) and (found := _header_of(known[2])) is not None:
            self._remember(path, (changed, size, found))
            return found
        try:
            found = load_header(path)
        except InvalidEmbedding as error:
            found = f"{error.message} {error.hint}".strip()
        self._remember(path, (changed, size, found))
        self._new += 1
        return found

    def save(self) -> None:
        """Write down what is worth it. What cannot be written is read again next time: no reason to stop anything."""
        with self._lock:
            if self._file is None or self._new < WORTH_WRITING:
                return
            self._new = 0
            lines = list(_lines(self._known or {}))
        with suppress(TIError):
            write_atomically(self._file, ("{" + ",\n".join(lines) + "}").encode())

    def _remember(self, path: Path, known: Known) -> None:
        with self._lock:
            assert self._known is not None
            self._known.pop(str(path), None)  # to the end: what is not asked for any more is dropped first
            self._known[str(path)] = known
            if len(self._known) > MAX_FILES:
                del self._known[next(iter(self._known))]


def _lines(known: dict[str, Known]) -> Iterator[str]:
    """Members of the JSON object, the version first and then the newest files, within the bounds."""
    yield f'"version": {json.dumps(TOOL)}'
    left = MAX_BYTES
    for path, (changed, size, found) in reversed(known.items()):
        value = vars(found) if isinstance(found, Header) else found
        try:
            line = f"{json.dumps(path)}: {json.dumps([changed, size, value], ensure_ascii=False)}"
            length = len(line.encode())
        except (TypeError, ValueError):  # a recipe that is no JSON, or a name that is no text
            continue
        if length > MAX_ENTRY_BYTES:
            continue
        left -= length + 2
        if left < 0:
            return
        yield line


def _load(file: Path) -> dict[str, Known]:
    try:
        values = read_json(read_file(file, 2 * MAX_BYTES), DEEPEST_JSON + 4)
    except (OSError, ValueError):
        return {}
    if not isinstance(values, dict) or values.pop("version", None) != TOOL:
        return {}
    # The newest stand first in the file and belong last here.
    return {path: (*known,) for path, known in reversed(values.items()) if isinstance(known, list) and len(known) == 3}


def _header_of(found: Any) -> Header | str | None:
    """None where it is neither a header nor a reason."""
    if isinstance(found, (Header, str)):
        return found
    if not isinstance(found, dict) or set(found) != set(_KINDS):
        return None
    if not all(isinstance(found[key], kind) for key, kind in _KINDS.items()) or not _is_sound(found):
        return None
    return Header(**{**found, "notes": tuple(found["notes"])})


_KINDS: dict[str, type | tuple[type, ...]] = {
    "name": str,
    "layout": str,
    "family": (str, type(None)),
    "rows": int,
    "widths": dict,
    "step": int,
    "model_name": str,
    "model_hash": str,
    "token_tables": dict,
    "recipe": dict,
    "created": str,
    "notes": list,
}


def _is_sound(values: dict[str, Any]) -> bool:
    return (
        values["family"] in (None, *get_args(Family))
        and all(type(width) is int for width in values["widths"].values())
        and all(isinstance(hash_, str) for hash_ in values["token_tables"].values())
        and all(isinstance(note, str) for note in values["notes"])
    )
