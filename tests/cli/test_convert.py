"""`convert`: files into another form; what cannot be is told and costs nothing else."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from lib_ti.formats.files import load_embedding

Command = Callable[..., tuple[int, str, str]]
DATA = Path(__file__).parent.parent / "data"


@pytest.mark.parametrize(("form", "ending"), [("safetensors", "safetensors"), ("pt", "pt"), ("png", "png")])
def test_a_file_of_another_program_is_converted(command: Command, form: str, ending: str) -> None:
    code, out, _ = command("convert", DATA / "a1111-sd1.pt", "--to", form, "--out", "out")
    assert code == 0
    assert "1 written, 0 not" in out
    assert load_embedding(Path("out") / f"a1111-sd1.{ending}").step == 30


def test_what_cannot_be_converted_ends_with_code_2_and_the_rest_is_done(command: Command) -> None:
    files = (DATA / "em-sd1.safetensors", DATA / "em-sdxl.safetensors", "gone.pt")
    code, out, err = command("convert", *files, "--to", "pt", "--out", "out")
    assert code == 2
    assert "1 written, 2 not" in out
    assert "gone.pt" in err
    assert "em-sdxl" in err


def test_a_family_is_changed_and_the_loss_is_said(command: Command) -> None:
    out = command("convert", DATA / "em-sd1.safetensors", "--family", "sdxl", "--out", "out")[1]
    assert "clip_g is zero" in out
    assert load_embedding(Path("out/em-sd1.safetensors")).family == "sdxl"


def test_words_for_clip_g_need_a_model(command: Command) -> None:
    command("merge", "'red'", "--name", "foo", "--out", "in")
    code, _, err = command("convert", "in/foo.safetensors", "--family", "sdxl", "--clip-g", "cat", "--out", "out")
    assert code == 2
    assert "--model" in err
    flags = ("--family", "sdxl", "--clip-g", "cat", "--model", "demo-xl", "--out", "out", "--json")
    done = json.loads(command("convert", "in/foo.safetensors", *flags)[1])
    assert done["faults"] == []
    assert "'cat'" in done["written"][0]["notes"][-1]
    assert load_embedding(Path("out/foo.safetensors")).vectors["clip_g"].any()


@pytest.mark.parametrize(("flag", "value"), [("--to", "bin"), ("--family", "sd2")])
def test_a_wrong_value_is_told_by_its_flag_and_nothing_is_written(command: Command, flag: str, value: str) -> None:
    code, _, err = command("convert", DATA / "em-sd1.safetensors", flag, value, "--out", "out")
    assert code == 2
    assert f"{flag}: '{value}' is not a choice" in err
    assert not Path("out").exists()
