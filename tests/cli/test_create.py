"""`create`: the start of a training, made from the wrong words, is a training lost."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from lib_ti.formats.files import load_embedding
from tests.cli.conftest import Opened

Command = Callable[..., tuple[int, str, str]]


def test_words_become_the_rows_of_a_file(command: Command, hosts: list[Opened]) -> None:
    code, out, _ = command("create", "--name", "foo", "--vectors", "2", "--init", "round thing", "--out", "out")
    assert code == 0
    assert str(Path("out/foo.safetensors")) in out
    host = hosts[0]
    wanted = host.token_vectors(host.tokenize("round thing"), "clip_l")
    assert load_embedding(Path("out/foo.safetensors")).vectors["clip_l"].equal(wanted)


def test_what_was_left_out_is_told_in_words_and_in_json(command: Command) -> None:
    make = ("create", "--vectors", "1", "--init", "round thing", "--out", "out")
    code, out, err = command(*make, "--name", "foo")
    assert code == 0
    assert "Note: The text has 2 tokens for 1 vectors; left out:" in err
    assert "left out" not in out
    made = json.loads(command(*make, "--name", "bar", "--json")[1])
    assert (made["family"], made["vectors"]) == ("sd1", 1)
    assert Path(made["path"]).is_file()
    assert any("left out" in note for note in made["notes"])


def test_a_file_to_start_from_needs_no_second_flag(command: Command) -> None:
    command("create", "--name", "foo", "--vectors", "2", "--init", "round thing", "--out", "out")
    assert command("create", "--name", "bar", "--file", "out/foo.safetensors", "--vectors", "2", "--out", "out")[0] == 0
    foo, bar = (load_embedding(Path(f"out/{name}.safetensors")).vectors["clip_l"] for name in ("foo", "bar"))
    assert foo.equal(bar)


def test_nothing_is_overwritten_unless_asked(command: Command) -> None:
    make = ("create", "--name", "foo", "--source", "random", "--out", "out")
    assert command(*make)[0] == 0
    code, _, err = command(*make)
    assert code == 2
    assert "foo.safetensors" in err
    assert command(*make, "--overwrite")[0] == 0


@pytest.mark.parametrize(
    ("flag", "value"), [("--vectors", "76"), ("--source", "word"), ("--format", "bin"), ("--name", "")]
)
def test_a_wrong_value_is_told_by_its_flag(command: Command, hosts: list[Opened], flag: str, value: str) -> None:
    code, _, err = command("create", "--name", "foo", flag, value)
    assert code == 2
    assert flag in err
    assert not hosts
