"""A loaded picture: range, layout, and what becomes of transparent parts."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from lib_ti.dataset.bucket import cover, squash
from lib_ti.dataset.picture import load_picture
from lib_ti.errors import InvalidDataset
from lib_ti.host import PictureSize


def test_pixels_are_channels_rows_columns_from_minus_one_to_one(tmp_path: Path) -> None:
    image = Image.new("RGB", (6, 4), (255, 0, 51))
    image.save(tmp_path / "a.png")
    loaded = load_picture(tmp_path / "a.png", squash((6, 4), (6, 4)))
    assert loaded.pixels.shape == (3, 4, 6)
    assert loaded.pixels.dtype == np.float32
    assert loaded.pixels.flags.c_contiguous
    np.testing.assert_allclose(loaded.pixels[:, 0, 0], [1.0, -1.0, -0.6], atol=1e-6)
    assert loaded.alpha is None


def test_the_size_says_what_was_cropped(tmp_path: Path) -> None:
    Image.new("RGB", (60, 40)).save(tmp_path / "a.png")
    loaded = load_picture(tmp_path / "a.png", cover((60, 40), (20, 20)))
    assert loaded.pixels.shape == (3, 20, 20)
    assert loaded.size == PictureSize(40, 60, 0, 5, 20, 20)


@pytest.mark.parametrize("hidden", [(0, 0, 0), (0, 255, 0), (255, 255, 255)])
def test_what_is_stored_under_transparent_pixels_reaches_nothing(tmp_path: Path, hidden: tuple[int, int, int]) -> None:
    """Neither in the clear half nor, by scaling, in the pixels beside it."""
    image = Image.new("RGBA", (64, 64), (*hidden, 0))
    image.paste((200, 40, 40, 255), (0, 0, 33, 64))
    image.save(tmp_path / "a.png")
    shown = Image.new("RGB", (64, 64), "white")
    shown.paste((200, 40, 40), (0, 0, 33, 64))
    shown.save(tmp_path / "b.png")
    fit = squash((64, 64), (24, 24))
    np.testing.assert_array_equal(
        load_picture(tmp_path / "a.png", fit).pixels, load_picture(tmp_path / "b.png", fit).pixels
    )


def test_alpha_lies_where_the_pixels_lie(tmp_path: Path) -> None:
    """A mask that is not square is cropped with its picture and not scrambled."""
    image = Image.new("RGBA", (80, 40), (10, 20, 30, 0))
    image.paste((10, 20, 30, 255), (40, 0, 80, 20))
    image.putpixel((79, 39), (10, 20, 30, 51))
    image.save(tmp_path / "a.png")
    loaded = load_picture(tmp_path / "a.png", cover((80, 40), (60, 40)))
    assert loaded.alpha is not None
    assert loaded.alpha.shape == (40, 60)
    assert loaded.alpha.dtype == np.float32
    expected = np.zeros((40, 60), dtype=np.float32)
    expected[:20, 30:] = 1
    np.testing.assert_array_equal(loaded.alpha, expected)
    np.testing.assert_allclose(loaded.pixels[0], np.where(expected > 0, 10 / 127.5 - 1, 1), atol=1e-6)


def test_alpha_stays_between_nothing_and_all_when_scaled(tmp_path: Path) -> None:
    image = Image.new("RGBA", (16, 16), (0, 0, 0, 0))
    image.paste((0, 0, 0, 255), (4, 4, 12, 12))
    image.save(tmp_path / "a.png")
    alpha = load_picture(tmp_path / "a.png", squash((16, 16), (56, 56))).alpha
    assert alpha is not None
    assert alpha.min() == 0
    assert alpha.max() == 1


def test_half_clear_pixels_are_half_white(tmp_path: Path) -> None:
    Image.new("LA", (8, 8), (0, 128)).save(tmp_path / "a.png")
    loaded = load_picture(tmp_path / "a.png", squash((8, 8), (8, 8)))
    np.testing.assert_allclose(loaded.pixels, 127 / 127.5 - 1, atol=1e-6)
    assert loaded.alpha is not None
    np.testing.assert_allclose(loaded.alpha, 128 / 255, atol=1e-6)


def test_a_file_that_changed_since_the_scan_is_refused(tmp_path: Path) -> None:
    Image.new("RGB", (8, 8)).save(tmp_path / "a.png")
    with pytest.raises(InvalidDataset, match="was 16x16 pixels and is 8x8"):
        load_picture(tmp_path / "a.png", squash((16, 16), (8, 8)))
