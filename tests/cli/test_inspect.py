"""`inspect`: the answer to "what is in this file, and for which model is it?"."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image

from tests.cli.conftest import Opened

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
    (encoder,) = facts["encoders"]
    assert [line["first"] for line in facts["lines"]] == [0, 1]
    assert all(row["min"] < 0 < row["max"] < row["length"] for row in encoder["figures"])


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


def test_an_expression_and_a_text_are_shown_with_their_words(command: Command) -> None:
    command("merge", "'red round'", "--name", "foo", "--out", "out")
    near = ("--model", "demo", "--embeddings", "out", "--json")
    result = json.loads(command("inspect", "'foo'*0.5", *near)[1])
    text = json.loads(command("inspect", "a foo", "--text", "--by", "tokens", *near)[1])
    assert len(result["lines"]) == 2
    assert [line["text"] for line in text["lines"]][1:] == ["foo"]
    assert text["lines"][1]["vectors"] == 2
    assert result["encoders"][0]["rows"][0]["nearest"][0]["cosine"] == pytest.approx(1)
    shown = command("inspect", "a foo", "--text", "--by", "tokens", *near[:-1])[1]
    assert "foo" in shown
    assert "vocabulary" in shown


def test_a_broken_embedding_is_marked(command: Command) -> None:
    out = command("inspect", "'red'*100,'red'", "--model", "demo")[1]
    assert "!" in out
    assert "Warning: Vector 1 is over 10 times" in out


def test_words_without_a_model_are_told_what_is_missing(command: Command) -> None:
    code, _, err = command("inspect", "'red'")
    assert code == 2
    assert "--model" in err


def test_it_is_drawn(command: Command, tmp_path: Path) -> None:
    code, out, _ = command("inspect", DATA / "em-sdxl.safetensors", "--picture", "look.png", "--dark")
    assert code == 0
    assert "look.png" in out
    with Image.open(tmp_path / "look.png") as picture:
        assert max(picture.convert("RGB").getpixel((0, 0))) < 40


def test_it_is_compared_with_a_file_a_model_and_a_text(command: Command) -> None:
    command("merge", "'red round'", "--name", "foo", "--out", "out")
    file = "out/foo.safetensors"
    assert "1.0000" in command("inspect", file, "--with", file)[1]
    options = ("--model", "demo", "--other-model", "other", "--with", "'red green'", "--same-as")
    out = command("inspect", file, *options, "red round")[1]
    assert "The same as the text." in out
    assert "alike to 1.0000" in out
    found = json.loads(command("inspect", file, *options, "red green", "--json")[1])
    assert found["same_as"]["same"] is False
    assert found["with"]["clip_l"][0]["distance"] == pytest.approx(0, abs=1e-6)
    assert found["with"]["clip_l"][1]["distance"] > 0.1
    assert found["on_models"]["clip_l"]["likeness"] == pytest.approx(1)


@pytest.mark.parametrize(
    ("flag", "value", "said"),
    [
        ("--nearest", "-6", "--nearest: Nearest tokens is -6, below the least of 0"),
        ("--nearest", "many", "--nearest: 'many' is not a number"),
        ("--by", "word", "--by: 'word' is not a choice of A line for each of (did you mean words?)"),
        ("--decompose", "-2", "--decompose: "),
        ("--decompose", "33", "--decompose: "),
    ],
)
def test_a_wrong_value_is_told_by_its_flag_before_anything_is_opened(
    command: Command, hosts: list[Opened], flag: str, value: str, said: str
) -> None:
    code, out, err = command("inspect", DATA / "em-sd1.safetensors", "--model", "demo", flag, value)
    assert (code, out) == (2, "")
    assert said in err
    assert not hosts
