"""A user would lose: the prepared pictures' way out of a script, and the reason why there are none."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image

from lib_ti.cli.dataset import FLAGS
from lib_ti.config.dataset import DatasetConfig
from lib_ti.config.options import walk_options
from tests.cli.conftest import Opened

Command = Callable[..., tuple[int, str, str]]


def test_pictures_are_cropped_flipped_and_captioned_without_a_model(
    command: Command, hosts: list[Opened], pictures: Path
) -> None:
    flags = [
        "--auto-size",
        "--min-side",
        "64",
        "--max-side",
        "64",
        "--flip",
        "--caption",
        "file names",
        "--words",
        "star",
    ]
    code, out, err = command("dataset", pictures, "out", *flags)
    assert (code, err) == (0, "")
    assert "8 pictures written to out" in out
    assert "8 captions written to out" in out
    assert len(list(Path("out").glob("*.png"))) == 8
    assert Image.open("out/00003-1.png").size == (64, 64)
    assert Path("out/00003-1.txt").read_text() == "star"
    assert hosts == []


def test_json_prints_events_alone(command: Command, pictures: Path) -> None:
    code, out, _ = command("dataset", pictures, "out", "--set", "flip.both=true", "--json")
    events = [json.loads(line) for line in out.splitlines()]
    assert code == 0
    assert {"event": "Saved", "step": 8, "path": "out", "kind": "pictures"} in events
    assert events[-1] == {"event": "Finished", "step": 4, "path": "out", "stopped": False}


def test_faults_are_told_by_what_was_typed_and_nothing_is_written(command: Command, pictures: Path) -> None:
    code, _, err = command("dataset", pictures, pictures, "--caption", "BLIP")
    assert code == 2
    assert "--caption: there is no 'BLIP' here" in err
    assert "DESTINATION: is the input directory" in err
    assert len(list(pictures.iterdir())) == 4


def test_captions_go_beside_the_pictures_where_no_destination_is_given(command: Command, pictures: Path) -> None:
    (pictures / "1.txt").write_text("mine")
    assert command("dataset", pictures, "--words", "star")[0] == 0
    found = {path.name: path.read_text() for path in pictures.glob("*.txt")}
    assert found == {"0.txt": "star", "1.txt": "mine", "2.txt": "star", "3.txt": "star"}


@pytest.mark.parametrize("path", [path for path, *_ in walk_options(DatasetConfig)])
def test_every_setting_has_its_flag(path: str) -> None:
    places = {"folders.source", "folders.destination"}
    needs_a_webui = {"focal.face_weight"}
    assert (path in FLAGS.values()) != (path in places | needs_a_webui)
