"""A save that fails or is killed must leave the older file whole, and no litter that a WebUI would load."""

import errno
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from lib_ti.atomic import write_atomically
from lib_ti.embedding.name import HOST_SUFFIXES
from lib_ti.errors import TIError


def test_it_replaces_and_makes_folders(tmp_path: Path) -> None:
    path = tmp_path / "new" / "a.pt"
    write_atomically(path, b"old")
    write_atomically(path, b"new")
    assert path.read_bytes() == b"new"
    assert list(path.parent.iterdir()) == [path]


def test_a_name_as_long_as_names_can_be(tmp_path: Path) -> None:
    path = tmp_path / ("x" * 252 + ".pt")
    write_atomically(path, b"data")
    assert path.read_bytes() == b"data"


def test_a_full_disk_leaves_the_older_file_and_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "a.pt"
    write_atomically(path, b"old")

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(TIError, match="No space left") as caught:
        write_atomically(path, b"new")
    assert caught.value.where == str(path)
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


def test_a_folder_in_the_way_is_a_sentence_not_a_traceback(tmp_path: Path) -> None:
    (tmp_path / "a.pt").mkdir()
    with pytest.raises(TIError):
        write_atomically(tmp_path / "a.pt", b"new")
    assert [path.name for path in tmp_path.iterdir()] == ["a.pt"]


KILLED = """
import sys
from pathlib import Path
from lib_ti.atomic import write_atomically
number = 0
while True:
    number += 1
    write_atomically(Path(sys.argv[1]), bytes([number % 256]) * 3_000_000)
    if number == 1:
        print("ready", flush=True)
"""


def test_killed_in_the_middle_of_saving_the_file_is_whole(tmp_path: Path) -> None:
    path = tmp_path / "a.pt"
    for wait in (0.0, 0.003, 0.01):
        with subprocess.Popen([sys.executable, "-c", KILLED, str(path)], stdout=subprocess.PIPE) as process:
            assert process.stdout
            process.stdout.readline()
            time.sleep(wait)
            process.kill()
        data = path.read_bytes()
        assert len(data) == 3_000_000
        assert len(set(data)) == 1
    assert all(file == path or not file.name.endswith(HOST_SUFFIXES) for file in tmp_path.iterdir())


@pytest.mark.skipif(os.name == "nt", reason="No folder can be opened there")
def test_the_move_is_on_the_disk_too_before_anybody_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Else a power cut could undo it when what it replaced is gone."""
    done: list[str] = []
    fsync, replace = os.fsync, Path.replace
    monkeypatch.setattr(
        os, "fsync", lambda handle: (done.append(str(Path(f"/proc/self/fd/{handle}").readlink())), fsync(handle))
    )
    monkeypatch.setattr(Path, "replace", lambda self, target: (done.append("move"), replace(self, target))[1])
    write_atomically(tmp_path / "a.pt", b"data")
    assert [step if step == "move" else Path(step).suffix or step for step in done] == [".tmp", "move", str(tmp_path)]


@pytest.mark.skipif(os.name == "nt", reason="No folder can be opened there")
def test_a_network_folder_that_knows_no_such_thing_is_no_fault(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fsync = os.fsync

    def refuse(handle: int) -> None:
        if os.path.isdir(f"/proc/self/fd/{handle}"):  # noqa: PTH112 - a link that only the system follows
            raise OSError(errno.EINVAL, "Invalid argument")
        fsync(handle)

    monkeypatch.setattr(os, "fsync", refuse)
    write_atomically(tmp_path / "a.pt", b"data")
    assert (tmp_path / "a.pt").read_bytes() == b"data"
