"""`inspect`: the answer to "what is in this file, and for which model is it?"."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

Command = Callable[..., tuple[int, str, str]]
DATA = Path(__file__).parent.parent / "data"


def test_a_file_of_another_program_is_described(command: Command) -> None:
    code, out, _ = command("inspect", DATA / "em-sdxl.safetensors")
    assert code == 0
    for said in ("sdxl", "clip_l 768", "clip_g 1280", "0.3866", "0.5067"):
        assert said in out


def test_json_holds_the_same_for_programs(command: Command) -> None:
    facts = json.loads(command("inspect", DATA / "a1111-sd1.pt", "--json")[1])
    assert (facts["family"], facts["rows"], facts["widths"], facts["step"]) == ("sd1", 2, {"clip_l": 768}, 30)
    assert (facts["model_name"], facts["model_hash"]) == ("tiny-sd1", "c7dc6ed8c9")
    assert [row["row"] for row in facts["vectors"]] == [1, 2]
    assert all(row["min"] < 0 < row["max"] < row["length"] for row in facts["vectors"])


def test_our_own_file_tells_its_recipe_in_what_was_not_usual(command: Command, pictures: Path) -> None:
    command(
        "train",
        "--name",
        "foo",
        "--init",
        "round",
        "--data",
        pictures,
        "--template",
        "subject",
        "--steps",
        "2",
        "--out",
        "out",
    )
    _, out, err = command("inspect", "out/foo.safetensors")
    assert not err
    assert "optim.steps = 2" in out
    assert "optim.beta1" not in out


def test_a_model_is_asked_whether_the_file_fits(command: Command) -> None:
    command("create", "--name", "foo", "--init", "round", "--out", "out")
    assert "toy" in command("inspect", "out/foo.safetensors", "--model", "demo")[1]
    code, _, err = command("inspect", "out/foo.safetensors", "--model", "demo-xl")
    assert code == 2
    assert "foo" in err


@pytest.mark.parametrize("name", ["a1111-sd1.pt.optim", "gone.pt"])
def test_a_file_that_is_no_embedding_ends_with_a_sentence(command: Command, name: str) -> None:
    code, out, err = command("inspect", DATA / name)
    assert (code, out) == (2, "")
    assert name in err
