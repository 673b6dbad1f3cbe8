"""A disk that fails, or a process that dies, at any one point of a write: for tests that look at what is left then.

A point is named before it is done: open, write, half (in the middle of it), fsync, close, move, fsync folder.
"""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from unittest.mock import patch


class _File:
    """A file that asks before it does anything."""

    def __init__(self, file: Any, at: Callable[[str], None]) -> None:
        self._file, self._at = file, at

    def __enter__(self) -> "_File":
        return self

    def __exit__(self, *error: object) -> None:
        try:
            self._at("close")
        finally:
            self._file.close()

    def write(self, data: bytes) -> int:
        self._at("write")
        half = len(data) // 2
        self._file.write(data[:half])
        self._file.flush()
        self._at("half")
        return half + int(self._file.write(data[half:]))

    def flush(self) -> None:
        self._file.flush()

    def fileno(self) -> int:
        return int(self._file.fileno())


@contextmanager
def watched(at: Callable[[str], None]) -> Iterator[None]:
    """`at` is called with each point of all writes by `write_atomically`; what it raises, the system is taken to have raised."""
    opened, fsync, replace = Path.open, os.fsync, Path.replace

    def open_(self: Path, mode: str = "r", *rest: Any, **more: Any) -> Any:
        if mode != "xb":
            return opened(self, mode, *rest, **more)
        at("open")
        return _File(opened(self, mode, *rest, **more), at)

    def fsync_(handle: int) -> None:
        at("fsync folder" if Path(f"/proc/self/fd/{handle}").is_dir() else "fsync")
        fsync(handle)

    def replace_(self: Path, target: Any) -> Path:
        at("move")
        return replace(self, target)

    with patch.object(Path, "open", open_), patch.object(os, "fsync", fsync_), patch.object(Path, "replace", replace_):
        yield


POINTS = ("open", "write", "half", "fsync", "close", "move", "fsync folder")
