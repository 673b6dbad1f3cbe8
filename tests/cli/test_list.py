"""`list`: what lies in a folder, one line a file."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

Command = Callable[..., tuple[int, str, str]]


@pytest.fixture
def folder(command: Command, tmp_path: Path) -> Path:
    command("merge", "'red'*0.5", "--name", "foo", "--out", "out")
    command("create", "--name", "bar", "--init", "round", "--model", "demo-xl", "--out", "out")
    (tmp_path / "out" / "broken.pt").touch()
    copy = tmp_path / "out" / "logs" / "foo-10.safetensors"
    copy.parent.mkdir()
    copy.write_bytes((tmp_path / "out" / "foo.safetensors").read_bytes())
    return tmp_path / "out"


def test_every_file_has_its_line(command: Command, folder: Path) -> None:
    code, out, _ = command("list", folder)
    assert code == 0
    assert "SDXL" in out
    assert "'red'*0.5" in out
    assert "broken.pt cannot be read: The file is empty." in out
    assert "2 embeddings" in out
    assert "foo-10" not in out, "copies of runs are left out"


def test_it_is_filtered_and_says_what_does_not_fit(command: Command, folder: Path) -> None:
    assert "1 embedding\n" in command("list", folder, "--filter", "RED foo")[1]
    lines = command("list", folder, "--model", "demo-xl")[1].splitlines()
    assert any("foo" in line and "does not fit" in line for line in lines)
    assert not any("bar" in line and "does not fit" in line for line in lines)


def test_json_holds_the_same_for_programs(command: Command, folder: Path) -> None:
    found = {one["name"]: one for one in json.loads(command("list", folder, "--model", "demo", "--json")[1])}
    assert set(found) == {"foo", "bar", "broken"}
    assert found["foo"]["match"] == "this"
    assert found["foo"]["recipe"]["expression"] == "'red'*0.5"
    assert found["broken"]["fault"]


def test_a_folder_that_is_not_there_is_told(command: Command) -> None:
    code, _, err = command("list", "nowhere")
    assert code == 2
    assert "nowhere" in err
