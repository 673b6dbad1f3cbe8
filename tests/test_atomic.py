"""A save that fails or is killed must leave the older file whole, and no litter that a WebUI would load."""

import errno
import os
import re
import subprocess
import sys
import time
from pathlib import Path

import pytest

from lib_ti import atomic
from lib_ti.atomic import write_atomically
from lib_ti.embedding.name import HOST_SUFFIXES
from lib_ti.errors import TIError
from tests.faulty_disk import POINTS, watched

linux = pytest.mark.skipif(sys.platform != "linux", reason="Asks /proc which file is meant")


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


@linux
@pytest.mark.parametrize("point", POINTS)
@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EIO, errno.EDQUOT, errno.EROFS])
def test_a_disk_that_fails_once_anywhere_leaves_one_file_whole_and_says_which(
    tmp_path: Path, point: str, number: int
) -> None:
    path = tmp_path / "a.pt"
    write_atomically(path, b"old" * 1000)
    failed: list[str] = []

    def at(now: str) -> None:
        if now == point and not failed:
            failed.append(now)
            raise OSError(number, os.strerror(number))

    with watched(at), pytest.raises(TIError, match=os.strerror(number)) as caught:
        write_atomically(path, b"new" * 1000)
    moved = point == "fsync folder"
    assert path.read_bytes() == (b"new" if moved else b"old") * 1000
    assert ("is unchanged" in caught.value.hint) is not moved
    assert list(tmp_path.iterdir()) == [path], "no litter"
    write_atomically(path, b"next")  # what failed for a moment works again
    assert path.read_bytes() == b"next"


@linux
@pytest.mark.parametrize("point", POINTS)
def test_a_new_file_is_whole_or_not_there(tmp_path: Path, point: str) -> None:
    def at(now: str) -> None:
        if now == point:
            raise OSError(errno.ENOSPC, "No space left on device")

    path = tmp_path / "new" / "a.pt"
    with watched(at), pytest.raises(TIError):
        write_atomically(path, b"new" * 1000)
    assert path.parent.is_dir()
    assert [file.read_bytes() for file in path.parent.iterdir()] == ([b"new" * 1000] if "folder" in point else [])


@linux
def test_litter_that_cannot_be_removed_does_not_hide_why_a_write_failed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def at(now: str) -> None:
        if now == "half":
            raise OSError(errno.ENOSPC, "No space left on device")

    def refuse(self: Path, missing_ok: bool = False) -> None:
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(Path, "unlink", refuse)
    with watched(at), pytest.raises(TIError, match="No space left"):
        write_atomically(tmp_path / "a.pt", b"new" * 1000)


@linux
def test_a_real_limit_of_the_system_in_the_middle_of_a_write(tmp_path: Path) -> None:
    code = (
        "import resource, signal, sys; from pathlib import Path; from lib_ti.atomic import write_atomically\n"
        "from lib_ti.errors import TIError\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN); resource.setrlimit(resource.RLIMIT_FSIZE, (5000, 5000))\n"
        "try: write_atomically(Path(sys.argv[1]), b'n' * 100_000)\n"
        "except TIError as error: print(error)\n"
    )
    path = tmp_path / "a.pt"
    write_atomically(path, b"old")
    done = subprocess.run([sys.executable, "-c", code, str(path)], capture_output=True, text=True, check=True)
    assert "File too large" in done.stdout
    assert [(file.name, file.read_bytes()) for file in tmp_path.iterdir()] == [("a.pt", b"old")]


KILLED_AT = """
import os, signal, sys
from pathlib import Path
from lib_ti.atomic import write_atomically
from tests.faulty_disk import watched

def at(point):
    if point == sys.argv[2]:
        os.kill(os.getpid(), signal.SIGKILL)

with watched(at):
    write_atomically(Path(sys.argv[1]), b"new" * 100_000)
"""


@linux
@pytest.mark.parametrize("point", [*POINTS, "never"])
def test_killed_at_any_point_one_file_is_whole(tmp_path: Path, point: str) -> None:
    path = tmp_path / "a.pt"
    write_atomically(path, b"old")
    root = Path(__file__).parent.parent
    done = subprocess.run([sys.executable, "-c", KILLED_AT, str(path), point], cwd=root, check=False)
    assert (done.returncode == 0) is (point == "never")
    assert path.read_bytes() == (b"new" * 100_000 if point in ("fsync folder", "never") else b"old")
    assert all(file == path or file.suffix == ".tmp" for file in tmp_path.iterdir())
    write_atomically(path, b"next")
    assert path.read_bytes() == b"next"


@linux
def test_every_folder_that_is_made_for_a_file_is_on_the_disk_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else a power cut takes the file away with its folder."""
    asked: list[Path] = []
    fsync = os.fsync
    monkeypatch.setattr(
        os, "fsync", lambda handle: (asked.append(Path(f"/proc/self/fd/{handle}").readlink()), fsync(handle))[1]
    )
    write_atomically(tmp_path / "a" / "b" / "c.pt", b"data")
    assert {tmp_path, tmp_path / "a", tmp_path / "a" / "b"} <= set(asked)


@linux
def test_a_folder_that_may_be_written_to_and_not_listed_is_no_fault(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened = os.open

    def refuse(path: object, *rest: int) -> int:
        if Path(str(path)).is_dir():
            raise PermissionError(errno.EACCES, "Permission denied")
        return opened(str(path), *rest)

    monkeypatch.setattr(os, "open", refuse)
    write_atomically(tmp_path / "a.pt", b"data")
    assert (tmp_path / "a.pt").read_bytes() == b"data"


def test_nothing_of_ours_is_written_in_another_way() -> None:
    """A file that is half written is lost; `write_atomically` alone writes whole ones."""
    known = {
        "atomic.py": "itself",
        "training/log.py": "a table that grows by lines",
        "training/lock.py": "a lock, which holds nothing",
        "adapters/webui/txt2img.py": "a file of the host's, put back",
    }
    package = Path(atomic.__file__).parent
    writes = re.compile(
        r"\.write_(text|bytes)\(|open\([^)]*[\"'][rwax]?b?\+?[wax]b?\+?[\"']|os\.(rename|replace)\(|\.rename\(|shutil\.(copy|move)"
    )
    found = {
        path.relative_to(package).as_posix()
        for path in package.rglob("*.py")
        if "recipe" not in path.parts and writes.search(path.read_text(encoding="utf-8"))
    }
    assert found - known.keys() == set()
