"""What a user presses in the Data set panel: pictures prepared and shown, captions saved as typed, faults by their place."""

import json
import os
from pathlib import Path

import pytest
from fake_app import FakeApp
from PIL import Image

from lib_ti.jobs.snapshot import Snapshot
from lib_ti.ui.actions.dataset import DatasetActions, read_edits
from lib_ti.ui.html import album

SOON = 60


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "a <b>"
    folder.mkdir()
    for number in range(30):
        Image.new("RGB", (64, 64), (number, 0, 0)).save(folder / f"{number:02} thing & {number}.png")
    (folder / "00 thing & 0.txt").write_text("<script>")
    return folder


def test_an_album_shows_captions_as_text_and_what_stands_for_missing_ones(app: FakeApp, folder: Path):
    html = DatasetActions(app.pictures).show(str(folder)).html
    assert "1 to 24 of 30 pictures" in html
    assert "&lt;script&gt;</textarea>" in html
    assert "<script>" not in html
    assert "<b>" not in html.split("<figure>")[0]
    assert 'placeholder="no caption file; the name gives: thing &amp; 1"' in html
    assert html.count("data:image/jpeg") == 24


def test_pages_turn_and_edits_of_every_page_are_saved(app: FakeApp, folder: Path):
    actions = DatasetActions(app.pictures)
    report = {
        "folder": str(folder),
        "page": 0,
        "captions": {"00 thing & 0.png": "mended", "29 thing & 29.png": "last"},
        "save": 7,
    }
    assert "25 to 30 of 30" in actions.turn(json.dumps(report), 1).html
    assert "1 to 24 of 30" in actions.turn(json.dumps(report), -1).html
    saved = actions.save(json.dumps(report))
    assert saved.good
    assert "2 captions saved." in saved.html
    assert 'data-saved="7"' in saved.html
    assert (folder / "29 thing & 29.txt").read_text() == "last"
    assert "Nothing has changed." in actions.save(json.dumps(report)).html


@pytest.mark.parametrize("report", ["", "nonsense", "[]", '{"captions": 3}', '{"page": "x"}'])
def test_a_page_without_an_album_saves_nothing(app: FakeApp, report: str):
    assert read_edits(report).folder == ""
    assert not DatasetActions(app.pictures).save(report).good


def test_faults_of_the_folder_are_shown_not_raised(app: FakeApp, folder: Path):
    actions = DatasetActions(app.pictures)
    assert "is missing" in actions.show(" ").html
    assert "there is no folder" in actions.show(str(folder / "nowhere")).html
    (folder / "x.png").write_bytes(b"broken")
    assert "<b>x.png:</b> is not a picture" in actions.validate(str(folder), {"data.template": "subject"}).html
    assert "<b>Width:</b>" in actions.validate(str(folder), {"data.width": "wide"}).html


def test_check_says_that_training_can_use_the_pictures_and_what_to_know(app: FakeApp, folder: Path):
    validation = DatasetActions(app.pictures).validate(
        str(folder), {"data.template": "subject", "data.width": "128", "data.height": "128"}
    )
    assert validation.good
    assert "all 30 pictures" in validation.html
    assert "128×128: 30" in validation.html
    assert "will be enlarged" in validation.html


def test_a_preparation_is_shown_from_start_to_end(app: FakeApp, folder: Path, tmp_path: Path):
    actions = DatasetActions(app.pictures)
    assert "folder of their own" in album.preparation(Snapshot())
    values = {"folders.source": str(folder), "folders.destination": str(tmp_path / "out"), "captions.by": "BLIP"}
    assert actions.prepare(values).good
    job = app.pictures.jobs.current
    assert job
    assert job.wait(SOON)
    html = album.preparation(job.snapshot)
    assert "30 pictures and 30 captions written." in html
    assert str(tmp_path / "out") in html
    assert (tmp_path / "out" / "00001-0-thing & 1.txt").read_text() == "BLIP sees 64 pixels"


def test_faults_of_a_preparation_stand_beside_their_fields(app: FakeApp, folder: Path):
    actions = DatasetActions(app.pictures)
    refused = actions.prepare({"folders.source": str(folder), "sized.on": True})
    assert [fault.where for fault in refused.faults] == ["folders.destination"]
    assert "Output directory" in refused.html
    assert actions.prepare({"folders.source": str(folder), "captions.by": "Nobody"}).good
    assert app.pictures.jobs.current
    assert app.pictures.jobs.current.wait(SOON)
    assert [fault.where for fault in actions.ending().faults] == ["captions.by"]


def test_a_name_that_is_no_text_does_not_take_the_page_with_it(app: FakeApp, folder: Path):
    os.rename(os.fsencode(folder / "00 thing & 0.png"), os.fsencode(folder) + b"/00 \xff.png")  # noqa: PTH104 - of bytes
    html = DatasetActions(app.pictures).show(str(folder)).html
    assert "00 ?.png" in html
    assert html.encode()
