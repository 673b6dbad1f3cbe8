"""`merge`: an embedding from words, in one line."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from lib_ti.formats.files import load_embedding
from tests.cli.conftest import Opened

Command = Callable[..., tuple[int, str, str]]


@pytest.mark.parametrize("model", ["demo", "demo-xl"])
def test_the_sum_is_saved(command: Command, hosts: list[Opened], model: str) -> None:
    code, out, _ = command("merge", "'cat'*0.5+'dog'", "--model", model, "--name", "mix", "--out", "out")
    assert code == 0
    assert "out/mix.safetensors" in out.replace("\\", "/")
    made, host = load_embedding(Path("out/mix.safetensors")), hosts[0]
    for encoder in host.widths:
        cat, dog = host.token_vectors(host.tokenize("cat dog"), encoder)
        assert torch.equal(made.vectors[encoder], (cat * 0.5 + dog)[None])


def test_a_fault_is_shown_with_a_caret_and_nothing_is_written(command: Command, tmp_path: Path) -> None:
    code, out, err = command("merge", "'cat'+", "--name", "mix", "--out", "out")
    assert (code, out) == (2, "")
    assert "      ^" in err
    assert not (tmp_path / "out").exists()


def test_a_missing_name_is_told_before_the_model_is_read(command: Command, hosts: list[Opened]) -> None:
    code, _, err = command("merge", "'cat'")
    assert code == 2
    assert "--name" in err
    assert hosts == []


def test_a_check_writes_nothing_and_gives_advice(command: Command, tmp_path: Path) -> None:
    code, out, err = command("merge", "'cat'*1,5", "--check", "--out", "out")
    assert code == 0
    assert "2 vectors" in out
    assert "comma" in err
    assert not (tmp_path / "out").exists()


def test_json_tells_files_rows_and_advice(command: Command) -> None:
    out = command("merge", "'cat':80", "--name", "mix", "--over", "split", "--out", "out", "--json")[1]
    found = json.loads(out)
    assert found["rows"] == 80
    assert [Path(file["path"]).stem for file in found["files"]] == ["mix-1", "mix-2"]
    assert "80 rows" in found["advice"][0]["message"]


def test_embeddings_of_another_folder_can_be_named(command: Command) -> None:
    command("merge", "'red round'", "--name", "foo", "--out", "first")
    assert "3 vectors" in command("merge", "'a foo'", "--name", "bar", "--embeddings", "first", "--out", "second")[1]
    used = load_embedding(Path("first/foo.safetensors"))
    assert load_embedding(Path("second/bar.safetensors")).recipe["embeddings"] == {"foo": used.digest}
