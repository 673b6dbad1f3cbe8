"""Files that are either whole and new or whole and old, whatever happens while they are written."""

import errno
import os
import secrets
from pathlib import Path

from lib_ti.errors import TIError


def write_atomically(path: Path, data: bytes) -> None:
    """Write beside `path`, then put it in place in one move; makes the folder if need be. Raises TIError, the old file whole.

    The move is also what makes A1111 notice a change, and what keeps a file that a host has mapped into memory intact.
    """
    # No host reads a .tmp as an embedding. A short name of its own, for `path`'s may already be as long as a name can be.
    temporary = path.parent / f".ti-lab-{secrets.token_hex(6)}.tmp"
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            with temporary.open("xb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            temporary.replace(path)
            _fsync_folder(path.parent)
        finally:
            temporary.unlink(missing_ok=True)
    except OSError as error:
        raise TIError(
            f"The file could not be written: {error.strerror or error}.",
            "An older file of this name is unchanged. Look at the free space, the folder's rights, and whether another program holds the file.",
            str(path),
        ) from error


def _fsync_folder(folder: Path) -> None:
    """So that after a power cut the move is not undone, while the older file is gone already."""
    if os.name == "nt":  # where no folder can be opened, and moves are written through
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    except OSError as error:
        if error.errno not in (errno.EINVAL, errno.ENOTSUP):  # some network folders know no such thing
            raise
    finally:
        os.close(handle)
