"""A process that dies in the midst of its writing, at any moment that one names: by kill -9, or by a power cut.

A moment is a call that changes what is on the disk: opening for writing, a write, a truncation, an fsync, a rename, an unlink, a
new folder. They are counted in the order in which the process makes them; so a first run tells how many there are.
"""


# The system's own calls are what this is about.
# ruff: noqa: PTH100, PTH110, PTH116, PTH119, PTH120

import builtins
import io
import os
import pathlib
import shutil
import signal
import stat
from collections.abc import Callable
from contextlib import suppress
from typing import Any, Literal, get_args

End = Literal["killed", "half", "lost", "zeroed"]
"""`killed`: before the call. `half`: after half of a write's bytes. Power cuts before the call: `lost`, what no fsync has made
sure of is gone, in files as in folders; `zeroed`, folders are as they were and files as long, with zeros where data were to come."""
ENDS: tuple[End, ...] = get_args(End)

_open, _fsync, _rename, _unlink = io.open, os.fsync, os.rename, os.unlink


class MortalDisk:
    """Takes the place of the calls of this process, once and for all. `at` 0 counts alone."""

    def __init__(self, at: int, end: End, report: Callable[[str], None]) -> None:
        self.at, self.end, self.report = at, end, report
        self.moments: list[str] = []
        self._written: dict[tuple[int, int], tuple[str, int]] = {}  # by inode: the path, and how much of it is sure
        self._undo: list[tuple[str, Callable[[], object]]] = []  # what folders are not sure of, and the way back

    def moment(self, what: str, path: Any) -> None:
        self.moments.append(f"{what} {os.path.basename(str(path))}")
        if self.due and not (self.end == "half" and what == "write"):
            self.die()

    @property
    def due(self) -> bool:
        return len(self.moments) == self.at

    def die(self) -> None:
        self.report(self.moments[-1] if self.moments else "the end")
        if self.end in ("lost", "zeroed"):
            self._cut_power()
        os.kill(os.getpid(), signal.SIGKILL)

    def _cut_power(self) -> None:
        for path, sure in self._written.values():
            with suppress(FileNotFoundError):
                size = os.stat(path).st_size
                os.truncate(path, min(sure, size))
                if self.end == "zeroed":
                    os.truncate(path, size)
        if self.end == "lost":
            for _, back in reversed(self._undo):
                back()

    def opened(self, path: str, fd: int, was_there: bool) -> None:
        told = os.fstat(fd)
        self._written.setdefault((told.st_dev, told.st_ino), (path, told.st_size))
        if not was_there:
            self._remember(path, lambda: _unlink(path))

    def fsync(self, fd: int) -> None:
        told = os.fstat(fd)
        key = told.st_dev, told.st_ino
        self.moment("fsync", self._written.get(key, ("of a folder",))[0])
        _fsync(fd)
        if stat.S_ISDIR(told.st_mode):
            self._undo = [one for one in self._undo if not os.path.samestat(os.stat(one[0]), told)]
        elif key in self._written:
            self._written[key] = self._written[key][0], told.st_size

    def moved(self, source: str, target: str, old: bytes | None) -> None:
        for key, (path, sure) in list(self._written.items()):
            if path == target:
                del self._written[key]
            elif path == source:
                self._written[key] = target, sure

        def back() -> None:
            _rename(target, source)
            if old is not None:
                _write(target, old)

        self._remember(target, back)

    def removed(self, path: str, old: bytes) -> None:
        self._remember(path, lambda: _write(path, old))

    def made(self, folder: str) -> None:
        self._remember(folder, lambda: shutil.rmtree(folder))

    def _remember(self, path: str, back: Callable[[], object]) -> None:
        self._undo.append((os.path.dirname(os.path.abspath(path)), back))

    def install(self) -> None:
        disk = self
        mkdir, os_open, os_write = os.mkdir, os.open, os.write
        _Raw.disk = disk

        def opening(file: Any, mode: str = "r", *args: Any, **kwargs: Any) -> Any:
            if not set(mode) & set("wax+") or isinstance(file, int):
                return _open(file, mode, *args, **kwargs)
            return _open_watched(disk, file, mode, **kwargs)

        def opening_low(path: Any, flags: int, *args: Any, **kwargs: Any) -> int:
            if not flags & (os.O_WRONLY | os.O_RDWR):
                return os_open(path, flags, *args, **kwargs)
            disk.moment("open", path)
            there = os.path.exists(path)
            fd = os_open(path, flags, *args, **kwargs)
            disk.opened(str(path), fd, there)
            return fd

        def writing(fd: int, data: bytes) -> int:
            disk.moment("write", disk._written.get(_key(fd), ("",))[0])
            if disk.due:
                os_write(fd, data[: len(data) // 2])
                disk.die()
            return os_write(fd, data)

        def renaming(source: Any, target: Any, original: Any = os.replace, **kwargs: Any) -> None:
            disk.moment("rename to", target)
            old = _read(target) if os.path.exists(target) else None
            original(source, target, **kwargs)
            disk.moved(str(source), str(target), old)

        def removing(path: Any, **kwargs: Any) -> None:
            if not os.path.lexists(path):
                return _unlink(path, **kwargs)
            disk.moment("unlink", path)
            old = _read(path)
            _unlink(path, **kwargs)
            return disk.removed(str(path), old)

        def making(path: Any, *args: Any, **kwargs: Any) -> None:
            if os.path.exists(path):
                return mkdir(path, *args, **kwargs)
            disk.moment("mkdir", path)
            mkdir(path, *args, **kwargs)
            return disk.made(str(path))

        calls: dict[str, Any] = {"replace": renaming, "rename": renaming, "unlink": removing, "remove": removing}
        calls |= {"mkdir": making, "open": opening_low, "write": writing, "fsync": disk.fsync}
        for name, call in calls.items():
            setattr(os, name, call)
        builtins.open = io.open = opening
        if accessor := getattr(pathlib, "_NormalAccessor", None):  # Python 3.10's paths keep calls of their own
            for name in ("replace", "rename", "unlink", "mkdir"):
                setattr(accessor, name, staticmethod(calls[name]))
            accessor.open = staticmethod(opening)


class _Raw(io.FileIO):
    disk: MortalDisk

    def write(self, data: Any) -> int:
        self.disk.moment("write", self.name)
        if self.disk.due:
            super().write(bytes(data)[: len(data) // 2])
            self.disk.die()
        return super().write(data)

    def truncate(self, size: int | None = None) -> int:
        self.disk.moment("truncate", self.name)
        return super().truncate(size)


def _open_watched(disk: MortalDisk, file: Any, mode: str, **kwargs: Any) -> Any:
    disk.moment("open", file)
    there, path = os.path.exists(file), os.fspath(file)
    raw = _Raw(path, mode.replace("b", "").replace("t", ""))
    disk.opened(path, raw.fileno(), there)
    buffered = io.BufferedRandom(raw) if "+" in mode else io.BufferedWriter(raw)
    kwargs.pop("buffering", None)
    return buffered if "b" in mode else io.TextIOWrapper(buffered, **kwargs)


def _key(fd: int) -> tuple[int, int]:
    told = os.fstat(fd)
    return told.st_dev, told.st_ino


def _read(path: Any) -> bytes:
    with _open(path, "rb") as file:
        return bytes(file.read())


def _write(path: str, data: bytes) -> None:
    with _open(path, "wb") as file:
        file.write(data)
