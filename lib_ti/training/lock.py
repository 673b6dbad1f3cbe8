"""One name is trained by one process at a time: a file beside the embedding says which, and is held while it runs.

The operating system holds the lock and lets go of it when the process ends, however it ends; so a file that a crash left
behind locks nobody out. What stands in the file is for people.
"""

from __future__ import annotations

import json
import os
import socket
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

from lib_ti.atomic import make_folder
from lib_ti.errors import Busy, HostError
from lib_ti.reading import read_file, read_json

SUFFIX = ".lock"


def lock_path(embedding: Path) -> Path:
    """The same for every form that the file may have. No host takes it for an embedding."""
    return embedding.with_name(f".{embedding.stem}.ti-lab{SUFFIX}")


@contextmanager
def training_lock(embedding: Path) -> Iterator[None]:
    """Nobody else trains `embedding` meanwhile. Raises Busy, which names the process that does; HostError where no file can be."""
    path = lock_path(embedding)
    try:
        make_folder(path.parent)
        file = _locked(path)
    except OSError as error:
        raise HostError(
            f"The folder of the embedding cannot be written to: {error.strerror or error}.",
            "Look at the free space and the folder's rights, or choose another folder.",
            str(path.parent),
        ) from error
    try:
        with suppress(OSError):  # a full disk may leave it empty: the lock holds all the same
            file.write(json.dumps({"pid": os.getpid(), "host": socket.gethostname()}).encode())
            file.flush()
        yield
    finally:
        _unlock(file, path)


def validate_unlocked(embedding: Path) -> None:
    """Raises Busy where a process trains `embedding` now."""
    path = lock_path(embedding)
    with suppress(OSError), path.open("r+b") as file:  # not there, mostly
        if not _try_lock(file):
            raise _busy(path)


def _locked(path: Path) -> BinaryIO:
    while True:
        file = path.open("a+b")
        if not _try_lock(file):
            file.close()
            raise _busy(path)
        # The one before may have removed the file between our opening and our locking it.
        with suppress(FileNotFoundError):
            if os.path.samestat(os.fstat(file.fileno()), path.stat()):
                file.truncate(0)
                return file
        file.close()


def _unlock(file: BinaryIO, path: Path) -> None:
    if sys.platform == "win32":  # an open file cannot be removed there
        file.close()
    with suppress(OSError):
        path.unlink()
    file.close()


def _try_lock(file: BinaryIO) -> bool:
    try:
        if sys.platform == "win32":
            import msvcrt

            file.seek(1 << 20)  # beyond what is written, so that others may read it
            msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)
        else:
            import fcntl

            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        if isinstance(error, (BlockingIOError, PermissionError)):
            return False
        # Some network folders know no locks: there one must see to it oneself.
    return True


def _busy(path: Path) -> Busy:
    name = path.name[1 : -len(f".ti-lab{SUFFIX}")]
    try:
        told = read_json(read_file(path, 10_000))
        who = f"process {int(told['pid'])} on {str(told['host'])[:100]}"
    except (OSError, ValueError, KeyError, TypeError):
        who = "another process"
    return Busy(
        f"{name} is being trained by {who}.", "Wait until it is done, stop it, or take another name.", str(path)
    )
