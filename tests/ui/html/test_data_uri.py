"""A preview must show as it is, and a broken file must not take the page with it."""

import base64
import io
from pathlib import Path

import pytest
from PIL import Image

from lib_ti.ui.html.data_uri import find_data_uri


def shown(uri: str | None) -> Image.Image:
    assert uri is not None
    return Image.open(io.BytesIO(base64.b64decode(uri.partition(",")[2])))


def test_a_small_picture_is_shown_exactly(tmp_path: Path):
    path = tmp_path / "a.png"
    Image.new("RGB", (32, 16), (10, 200, 30)).save(path)
    assert shown(find_data_uri(path, 768)).getpixel((3, 3)) == (10, 200, 30)


def test_a_large_picture_is_made_smaller_and_keeps_its_shape(tmp_path: Path):
    path = tmp_path / "a.png"
    Image.effect_noise((2048, 1024), 90).save(path)
    uri = find_data_uri(path, 128)
    assert shown(uri).size == (128, 64)


def test_a_preview_that_was_made_again_is_shown_anew(tmp_path: Path):
    path = tmp_path / "a.png"
    Image.new("RGB", (8, 8), "red").save(path)
    first = find_data_uri(path, 64)
    Image.new("RGB", (8, 8), "blue").save(path)
    assert find_data_uri(path, 64) != first


def test_files_that_cannot_be_read_are_none(tmp_path: Path):
    broken = tmp_path / "b.png"
    broken.write_bytes(b"\x89PNG\r\n\x1a\nnot really")
    assert find_data_uri(broken, 64) is None
    assert find_data_uri(tmp_path / "none.png", 64) is None


def test_a_huge_picture_is_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    path = tmp_path / "a.png"
    Image.new("RGB", (8, 8)).save(path)
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 8)
    assert find_data_uri(path, 64) is None


def test_a_small_file_that_is_a_huge_picture_is_not_unfolded(tmp_path: Path):
    """Half a gigabyte of memory for a thumbnail, at every look at the list."""
    path = tmp_path / "huge.png"
    Image.new("1", (12000, 12000)).save(path)
    assert path.stat().st_size < 100_000
    assert find_data_uri(path, 64) is None
