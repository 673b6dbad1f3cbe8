"""A user would lose: captions as they were typed, and the sight of a picture that cannot be used."""

from pathlib import Path

import pytest
from PIL import Image

from lib_ti.dataset import album
from lib_ti.dataset.album import load_album, save_captions
from lib_ti.dataset.caption import find_caption
from lib_ti.errors import InvalidDataset


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for number in range(5):
        Image.new("RGBA", (40 + number, 30), (number, 0, 0, 0)).save(tmp_path / f"{number} shape {number}.png")
    (tmp_path / "0 shape 0.txt").write_text("a circle")
    (tmp_path / "9.png").write_bytes(b"broken")
    return tmp_path


def test_pages_hold_every_picture_once_with_size_and_caption(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(album, "PAGE", 4)
    first, second = load_album(folder), load_album(folder, 7)
    assert (first.page, first.pages, first.total, second.page) == (0, 2, 6, 1)
    cards = [*first.cards, *second.cards]
    assert [(card.name, card.caption, card.otherwise) for card in cards[:2]] == [
        ("0 shape 0.png", "a circle", "shape 0"),
        ("1 shape 1.png", "", "shape 1"),
    ]
    assert cards[4].size == (44, 30)
    assert cards[0].thumbnail.startswith(b"\xff\xd8")
    assert "not a picture" in cards[5].fault


def test_a_caption_that_cannot_be_read_is_told_on_its_card(folder: Path) -> None:
    (folder / "1 shape 1.txt").write_bytes(b"\xff\xfe\xff")
    assert load_album(folder).cards[1].fault == "1 shape 1.txt is not UTF-8 text"
    assert save_captions(folder, {"1 shape 1.png": "mended"}) == 1
    assert load_album(folder).cards[1].caption == "mended"


def test_edited_captions_are_what_training_reads(folder: Path) -> None:
    edited = {"0 shape 0.png": "a circle", "1 shape 1.png": " ein Kreis,\n größer ", "2 shape 2.png": ""}
    assert save_captions(folder, edited) == 1
    assert find_caption(folder / "1 shape 1.png") == "ein Kreis, größer"
    assert save_captions(folder, {"0 shape 0.png": " "}) == 1
    assert find_caption(folder / "0 shape 0.png") == "shape 0"


def test_kohyas_caption_file_is_shown_and_edited_in_its_place(folder: Path) -> None:
    (folder / "1 shape 1.caption").write_text("of kohya")
    assert load_album(folder).cards[1].caption == "of kohya"
    assert save_captions(folder, {"1 shape 1.png": "mine"}) == 1
    assert (folder / "1 shape 1.caption").read_text() == "mine"
    assert not (folder / "1 shape 1.txt").exists()
    assert save_captions(folder, {"1 shape 1.png": ""}) == 1
    assert not (folder / "1 shape 1.caption").exists()


def test_nothing_outside_the_folder_is_written(folder: Path) -> None:
    inner = folder / "inner"
    inner.mkdir()
    Image.new("RGB", (8, 8)).save(inner / "x.png")
    with pytest.raises(InvalidDataset, match="is no picture of the folder"):
        save_captions(inner, {"x.png": "words", "../0 shape 0.png": "words"})
    assert not (inner / "x.txt").exists()
