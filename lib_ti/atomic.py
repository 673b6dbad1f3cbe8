"""Files that are either whole and new or whole and old, whatever happens while they are written."""

import errno
import os
import secrets
from contextlib import suppress
from pathlib import Path

from lib_ti.errors import TIError


def write_atomically(path: Path, data: bytes) -> None:
    """Write beside `path`, then put it in place in one move; makes the folder if need be. Raises TIError, the old file whole.

    The move is also what makes A1111 notice a change, and what keeps a file that a host has mapped into memory intact.
    """
    # No host reads a .tmp as an embedding. A short name of its own, for `path`'s may already be as long as a name can be.
    temporary = path.parent / f".ti-lab-{secrets.token_hex(6)}.tmp"
    advice = (
        "An older file of this name is unchanged. "
        "Look at the free space, the folder's rights, and whether another program holds the file."
    )
    try:
        made = _make_folder(path.parent)
        try:
            with temporary.open("xb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            temporary.replace(path)
        except BaseException:
            with suppress(OSError):
                temporary.unlink(missing_ok=True)
            raise
        advice = "It is in its place and whole, but a power cut might undo that. Look at the disk."
        for folder in (path.parent, *made):
            _fsync_folder(folder)
    except OSError as error:
        raise TIError(f"The file could not be written: {error.strerror or error}.", advice, str(path)) from error


def make_folder(folder: Path) -> None:
    """With those above it; no power cut takes one of them away again, and with it all that was written into it. Raises OSError."""
    for above in _make_folder(folder):
        _fsync_folder(above)


def _make_folder(folder: Path) -> list[Path]:
    """The folders in which others had to be made."""
    missing = [one for one in (folder, *folder.parents) if not one.exists()]
    folder.mkdir(parents=True, exist_ok=True)
    return [one.parent for one in missing]


_UNKNOWN = (errno.EINVAL, errno.ENOTSUP, errno.ENOSYS, errno.EBADF)
"""What network and other folders answer that know no such thing."""


def _fsync_folder(folder: Path) -> None:
    """So that after a power cut the move is not undone, while the older file is gone already."""
    try:
        handle = os.open(folder, os.O_RDONLY)
    except OSError:
        return  # Windows opens none, and writes moves through; nor can one that may be written to and not be listed
    try:
        os.fsync(handle)
    except OSError as error:
        if error.errno not in _UNKNOWN:
            raise
    finally:
        os.close(handle)
