"""A user would be shown another name than the file's, or have their terminal obey it; a program would get what is no JSON."""

import ast
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file

from lib_ti.cli import console
from lib_ti.cli.console import json_line
from lib_ti.errors import UNSEEN, visible

Command = Callable[..., tuple[int, str, str]]
ODD = ["red\x1b[31m", "gpj\u202eexe", "is\u2066o", "two\nlines", "c1\x9b31m", "back\x08", "\u200fmark"]
pytestmark = pytest.mark.skipif(os.name == "nt", reason="Windows has no such names")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "odd"
    folder.mkdir()
    for name in ODD:
        save_file({"emb_params": torch.zeros(1, 768)}, folder / f"{name}.safetensors")
        (folder / f"{name}-broken.pt").touch()
    (folder / os.fsdecode(b"half\xff.pt")).touch()
    return folder


def test_names_are_listed_without_what_a_terminal_obeys(command: Command, folder: Path) -> None:
    code, out, _ = command("list", folder)
    assert code == 0
    assert not UNSEEN.search(out)
    assert "gpj?exe" in out
    assert len(out.splitlines()) == 1 + len(ODD) + len(ODD) + 1 + 1, "a line for each file, a head and a sum"


def test_programs_get_the_names_as_they_are(command: Command, folder: Path) -> None:
    out = command("list", folder, "--json")[1]
    assert not UNSEEN.search(out)
    paths = {Path(one["path"]).name for one in json.loads(out)}
    assert {f"{name}.safetensors" for name in ODD} <= paths
    assert os.fsdecode(b"half\xff.pt") in paths


@pytest.mark.parametrize("name", ODD)
def test_errors_and_other_commands_show_names_so_too(command: Command, folder: Path, name: str) -> None:
    for arguments in (
        ("inspect", folder / f"{name}-broken.pt"),
        ("inspect", folder / f"{name}.safetensors"),
        ("convert", folder, "--out", folder / "out"),
        ("inspect", folder / f"{name}-none.pt"),
    ):
        _, out, err = command(*arguments)
        assert not UNSEEN.search(out + err)
        assert (out + err).strip()


def test_what_stands_in_a_file_is_shown_so_too(command: Command, tmp_path: Path) -> None:
    recipe = {"source": "expression", "expression": "'a\x1b[2J\u202e'", "deep\x1b": {"\u202e": "\x9b"}}
    facts = {"ti_lab.format": "1", "name": "x\u202e", "recipe": json.dumps(recipe), "model_name": "m\x1b[0m"}
    save_file({"emb_params": torch.zeros(1, 768)}, tmp_path / "x.safetensors", facts)
    for arguments in (("list", tmp_path), ("inspect", tmp_path / "x.safetensors")):
        out = command(*arguments)[1]
        assert out
        assert not UNSEEN.search(out)


@pytest.mark.parametrize("number", ["NaN", "Infinity", "-Infinity", "1e999"])
def test_numbers_that_are_none_do_not_spoil_the_json(command: Command, tmp_path: Path, number: str) -> None:
    facts = {"ti_lab.format": "1", "recipe": f'{{"rate": {number}, "rates": [{number}]}}'}
    save_file({"emb_params": torch.zeros(1, 768)}, tmp_path / "x.safetensors", facts)

    def refuse(constant: str) -> None:
        raise AssertionError(constant)

    for arguments in (("list", tmp_path, "--json"), ("inspect", tmp_path / "x.safetensors", "--json")):
        found = json.loads(command(*arguments)[1], parse_constant=refuse)
        recipe = (found[0] if isinstance(found, list) else found)["recipe"]
        assert recipe == {"rate": None, "rates": [None]}


@pytest.mark.parametrize("levels", [60, 70, 700, 5000])
def test_a_recipe_that_is_nested_without_end_is_left_out(command: Command, tmp_path: Path, levels: int) -> None:
    for name, deep in {
        "lists": "[" * levels + "]" * levels,
        "conversions": '{"source": "conversion", "recipe": ' * levels + "{}" + "}" * levels,
        "starts": '{"training": {}, "start": ' * levels + "{}" + "}" * levels,
    }.items():
        recipe = deep if deep.startswith("{") else f'{{"source": "expression", "expression": {deep}}}'
        save_file(
            {"emb_params": torch.zeros(1, 768)},
            tmp_path / f"{name}.safetensors",
            {"ti_lab.format": "1", "recipe": recipe},
        )
    for arguments in (("list", tmp_path), ("list", tmp_path, "--json"), ("convert", tmp_path, "--out", tmp_path / "o")):
        assert command(*arguments)[0] == 0
    for name in ("lists", "conversions", "starts"):
        path = tmp_path / f"{name}.safetensors"
        assert command("inspect", path)[0] == 0
        code, out, _ = command("inspect", path, "--json")
        assert code == 0
        assert (json.loads(out)["recipe"] == {}) == (levels > 64)


def test_every_number_and_path_becomes_plain_json() -> None:
    value: dict[str, Any] = {"a": float("nan"), "b": [float("inf"), Path("x\u202e")], "c": ("\x9b", None, True, 3)}
    line = json_line(value)
    assert json.loads(line) == {"a": None, "b": [None, "x\u202e"], "c": ["\x9b", None, True, 3]}
    assert not UNSEEN.search(line)


def test_what_people_write_stays_as_it_is() -> None:
    for text in ("für die Katze\n\tçà", "猫 שלום عربي", "👩\u200d🎨", "a\u200cb", "é́"):
        assert visible(text) == text
    assert visible("a\r\nb\rc") == "a\nb?c"


def test_no_command_prints_past_it() -> None:
    for path in Path(console.__file__).parent.glob("*.py"):
        if path.name in ("console.py", "ui.py"):  # the one place; and addresses of its own alone
            continue
        called = [
            node.func for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))) if isinstance(node, ast.Call)
        ]
        assert "print" not in {func.id for func in called if isinstance(func, ast.Name)}, path.name
