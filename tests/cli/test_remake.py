"""`again`: a whole folder for a new finetune, in one line."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from lib_ti.formats.files import load_embedding
from tests.cli.conftest import Opened

Command = Callable[..., tuple[int, str, str]]


@pytest.fixture
def folder(command: Command) -> Path:
    command("merge", "'red'*0.5", "--name", "foo", "--out", "out")
    command("merge", "'foo'+'round'", "--name", "bar", "--out", "out")
    return Path("out")


def test_a_file_is_made_again_under_another_name(command: Command, folder: Path, hosts: list[Opened]) -> None:
    code, out, _ = command("again", folder / "foo.safetensors", "--model", "demo-xl", "--name", "[name]-xl")
    assert code == 0
    assert "1 made again on toy, 0 not" in out
    made = load_embedding(folder / "foo-xl.safetensors")
    (row,) = hosts[-1].token_vectors(hosts[-1].tokenize("red"), "clip_g")
    assert torch.equal(made.vectors["clip_g"], row[None] * 0.5)


def test_nothing_is_overwritten_unless_asked(command: Command, folder: Path) -> None:
    before = (folder / "foo.safetensors").read_bytes()
    code, out, err = command("again", folder / "foo.safetensors")
    assert code == 2
    assert "exists already" in err
    assert "0 made again" in out
    assert (folder / "foo.safetensors").read_bytes() == before
    assert command("again", folder / "foo.safetensors", "--overwrite")[0] == 0


def test_of_a_folder_what_is_of_the_model_already_is_passed_over(command: Command, folder: Path) -> None:
    assert "0 made again on toy, 0 not" in command("again", folder)[1]
    code, out, _ = command("again", folder, "--model", "demo-xl", "--out", "new", "--json")
    found = [json.loads(line) for line in out.splitlines()]
    assert code == 0
    assert [Path(one["path"]).name for one in found] == ["foo.safetensors", "bar.safetensors"]
    assert {one["family"] for one in found} == {"sdxl"}


def test_what_cannot_be_made_again_is_told_and_the_rest_done(command: Command, folder: Path) -> None:
    code, out, err = command("again", folder / "foo.safetensors", "gone.pt", "--overwrite")
    assert code == 2
    assert "gone.pt" in err
    assert "1 made again on toy, 1 not" in out
    assert json.loads(command("again", "gone.pt", "--json")[1])["fault"]


def test_a_wrong_name_is_told_before_the_model_is_read(command: Command, hosts: list[Opened]) -> None:
    assert "--name" in command("again", "foo.pt", "--name", "")[2]
    assert not hosts
