"""A picture looks to the training as it looks to its user, and a bad file is refused in words, whatever its bytes."""

import io
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image, ImageDraw

from lib_ti.dataset import picture as picture_module
from lib_ti.dataset.bucket import cover, squash
from lib_ti.dataset.picture import load_image, load_picture, place_image
from lib_ti.errors import InvalidDataset
from lib_ti.host import PictureSize

CORNERS = {"top left": (255, 0, 0), "top right": (0, 255, 0), "bottom left": (0, 0, 255), "bottom right": (0, 0, 0)}
T = Image.Transpose
# What a camera held in each of the eight ways would have stored of an upright picture.
STORED = {
    1: None,
    2: T.FLIP_LEFT_RIGHT,
    3: T.ROTATE_180,
    4: T.FLIP_TOP_BOTTOM,
    5: T.TRANSPOSE,
    6: T.ROTATE_90,
    7: T.TRANSVERSE,
    8: T.ROTATE_270,
}


def upright() -> Image.Image:
    """48x32, with a colour in each quarter."""
    image = Image.new("RGB", (48, 32))
    places = [(0, 0, 23, 15), (24, 0, 47, 15), (0, 16, 23, 31), (24, 16, 47, 31)]
    for place, colour in zip(places, CORNERS.values(), strict=True):
        ImageDraw.Draw(image).rectangle(place, fill=colour)
    return image


def refusal(path: Path) -> str:
    with pytest.raises(InvalidDataset) as caught:
        load_image(path)
    (fault,) = caught.value.faults
    assert fault.where == str(path)
    assert fault.hint
    return fault.message


@pytest.mark.parametrize("ending", ["png", "jpg", "webp", "tiff"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_a_photo_is_turned_as_its_camera_says(tmp_path: Path, orientation: int, ending: str) -> None:
    stored = upright() if STORED[orientation] is None else upright().transpose(STORED[orientation])
    exif = Image.Exif()
    exif[0x0112] = orientation
    lossless = {"lossless": True} if ending == "webp" else {"quality": 95} if ending == "jpg" else {}
    stored.save(tmp_path / f"a.{ending}", exif=exif, **lossless)
    image = load_image(tmp_path / f"a.{ending}")
    assert image.size == (48, 32)
    assert np.abs(np.asarray(image, dtype=int) - np.asarray(upright(), dtype=int)).mean() < 8


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGB", "RGBA", "CMYK", "I;16", "I"])
def test_every_kind_of_pixel_comes_out_as_rgb(tmp_path: Path, mode: str) -> None:
    grey = Image.new("L", (8, 8), 255)
    ImageDraw.Draw(grey).rectangle((0, 0, 3, 7), fill=0)
    if mode in ("I;16", "I"):
        image = Image.fromarray(np.asarray(grey).astype(np.uint16) * 257)
        image = image.convert(mode) if image.mode != mode else image
    else:
        image = grey.convert("RGB").convert(mode)
    path = tmp_path / ("a.tiff" if mode == "CMYK" else "a.png")
    image.save(path)
    loaded = load_image(path)
    assert loaded.mode == "RGB"
    assert loaded.getpixel((0, 0)) == (0, 0, 0)
    assert loaded.getpixel((7, 7)) == (255, 255, 255)


def test_sixteen_bit_grey_is_scaled_not_clipped(tmp_path: Path) -> None:
    Image.fromarray(np.full((4, 4), 32896, dtype=np.uint16)).save(tmp_path / "a.png")
    assert load_image(tmp_path / "a.png").getpixel((0, 0)) == (128, 128, 128)


def test_a_cmyk_jpeg_keeps_its_colours(tmp_path: Path) -> None:
    Image.new("CMYK", (8, 8), (0, 255, 255, 0)).save(tmp_path / "a.jpg", quality=95)
    red, green, blue = load_image(tmp_path / "a.jpg").getpixel((4, 4))
    assert red > 240
    assert green < 15
    assert blue < 15


@pytest.mark.parametrize("mode", ["1", "L", "P", "RGB"])
def test_a_transparent_colour_is_transparent(tmp_path: Path, mode: str) -> None:
    image = Image.new("RGB", (8, 8), (255, 255, 255))
    ImageDraw.Draw(image).rectangle((0, 0, 3, 7), fill=(0, 0, 0))
    image = image.convert(mode)
    clear = image.getpixel((0, 0))
    image.save(tmp_path / "a.png", transparency=clear)
    loaded = load_image(tmp_path / "a.png")
    assert loaded.mode == "RGBA"
    assert loaded.getpixel((0, 0))[3] == 0
    assert loaded.getpixel((7, 7)) == (255, 255, 255, 255)


def test_a_transparent_colour_of_sixteen_bit_grey_does_not_break_it(tmp_path: Path) -> None:
    Image.new("I", (4, 4), 65535).save(tmp_path / "a.png", transparency=65535)
    assert load_image(tmp_path / "a.png").getpixel((0, 0)) == (255, 255, 255)


@pytest.mark.parametrize("mode", ["LA", "RGBA"])
def test_an_alpha_channel_without_a_clear_pixel_is_none(tmp_path: Path, mode: str) -> None:
    image = Image.new(mode, (8, 8), (90,) * (len(mode) - 1) + (255,))
    image.save(tmp_path / "a.png")
    assert load_image(tmp_path / "a.png").mode == "RGB"
    image.putpixel((0, 0), (90,) * (len(mode) - 1) + (254,))
    image.save(tmp_path / "a.png")
    assert load_image(tmp_path / "a.png").mode == "RGBA"


@pytest.mark.parametrize("ending", ["gif", "png", "webp", "tiff"])
def test_animations_are_refused(tmp_path: Path, ending: str) -> None:
    path = tmp_path / f"a.{ending}"
    frames = [Image.new("RGB", (8, 8), colour) for colour in ("red", "lime", "blue")]
    frames[0].save(path, save_all=True, append_images=frames[1:], duration=50)
    assert refusal(path) == "is an animation of 3 frames"


def test_a_still_gif_is_a_picture(tmp_path: Path) -> None:
    Image.new("RGB", (8, 8), "red").save(tmp_path / "a.gif")
    assert load_image(tmp_path / "a.gif").getpixel((0, 0)) == (255, 0, 0)


def test_a_phones_photo_with_a_second_picture_behind_it_is_no_animation(tmp_path: Path) -> None:
    Image.new("RGB", (16, 8), "red").save(
        tmp_path / "a.jpg", format="MPO", save_all=True, append_images=[Image.new("RGB", (4, 2))]
    )
    assert load_image(tmp_path / "a.jpg").size == (16, 8)


@pytest.mark.parametrize("ending", ["png", "jpg", "webp", "bmp", "tiff"])
def test_truncated_pictures_are_refused(tmp_path: Path, ending: str) -> None:
    path = tmp_path / f"a.{ending}"
    Image.effect_noise((64, 64), 90).convert("RGB").save(path)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    assert "cannot be decoded" in refusal(path) or "not a picture" in refusal(path)


@pytest.mark.parametrize("content", [b"", b"hello", b"\x89PNG\r\n\x1a\n", b"<html>not found</html>"])
def test_files_that_are_no_pictures_are_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "a.png"
    path.write_bytes(content)
    refusal(path)


def test_floating_point_pixels_are_refused_for_their_unknown_range(tmp_path: Path) -> None:
    Image.new("F", (8, 8)).save(tmp_path / "a.tiff")
    assert "floating-point" in refusal(tmp_path / "a.tiff")


def test_a_picture_too_large_for_memory_is_refused_before_it_is_decoded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    Image.new("1", (2000, 600)).save(tmp_path / "a.png")
    monkeypatch.setattr(picture_module, "MAX_PIXELS", 1_000_000)
    assert refusal(tmp_path / "a.png") == "has more than 1 million pixels"
    monkeypatch.undo()
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 1000)  # the limit that Pillow itself was given by the host
    assert refusal(tmp_path / "a.png") == "has more than 120 million pixels"


def _samples() -> list[bytes]:
    noise = Image.effect_noise((24, 16), 90)
    exif = Image.Exif()
    exif[0x0112] = 6
    samples = []
    for form, options in (
        ("PNG", {"exif": exif}),
        ("JPEG", {"exif": exif}),
        ("GIF", {}),
        ("WEBP", {"exif": exif}),
        ("BMP", {}),
        ("TIFF", {}),
    ):
        file = io.BytesIO()
        noise.convert("P" if form in ("GIF", "PNG") else "RGB").save(file, form, **options)
        samples.append(file.getvalue())
    return samples


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.sampled_from(_samples()),
    st.lists(st.tuples(st.integers(0, 2000), st.binary(min_size=1, max_size=4)), max_size=4),
    st.integers(0, 3000),
)
@pytest.mark.filterwarnings("ignore")
def test_damaged_files_are_read_or_refused_but_never_crash(
    tmp_path: Path, content: bytes, damage: list[tuple[int, bytes]], length: int
) -> None:
    spoilt = bytearray(content)
    for place, patch in damage:
        place %= len(spoilt)
        spoilt[place : place + len(patch)] = patch
    path = tmp_path / "a.png"
    path.write_bytes(spoilt[:length])
    try:
        image = load_image(path)
    except InvalidDataset:
        return
    assert image.mode in ("RGB", "RGBA")


def test_scaling_keeps_the_middle_and_the_shape() -> None:
    placed = place_image(upright(), cover((48, 32), (32, 32)))
    assert placed.size == (32, 32)
    assert placed.getpixel((2, 2)) == CORNERS["top left"]
    assert placed.getpixel((29, 29)) == CORNERS["bottom right"]


def test_shrinking_averages_instead_of_picking_pixels() -> None:
    board = Image.fromarray((np.indices((256, 256)).sum(0) % 2 * 255).astype(np.uint8))
    small = np.asarray(place_image(board, squash((256, 256), (32, 32))), dtype=float)
    assert np.abs(small - 127.5).max() < 3


def test_pixels_are_channels_rows_columns_from_minus_one_to_one(tmp_path: Path) -> None:
    image = Image.new("RGB", (6, 4), (255, 0, 51))
    image.save(tmp_path / "a.png")
    loaded = load_picture(tmp_path / "a.png", squash((6, 4), (6, 4)))
    assert loaded.pixels.shape == (3, 4, 6)
    assert loaded.pixels.dtype == np.float32
    assert loaded.pixels.flags.c_contiguous
    np.testing.assert_allclose(loaded.pixels[:, 0, 0], [1.0, -1.0, -0.6], atol=1e-6)
    assert loaded.weights is None


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
    assert loaded.weights is not None
    assert loaded.weights.shape == (40, 60)
    assert loaded.weights.dtype == np.float32
    expected = np.zeros((40, 60), dtype=np.float32)
    expected[:20, 30:] = 1
    np.testing.assert_array_equal(loaded.weights, expected)
    np.testing.assert_allclose(loaded.pixels[0], np.where(expected > 0, 10 / 127.5 - 1, 1), atol=1e-6)


def test_alpha_stays_between_nothing_and_all_when_scaled(tmp_path: Path) -> None:
    image = Image.new("RGBA", (16, 16), (0, 0, 0, 0))
    image.paste((0, 0, 0, 255), (4, 4, 12, 12))
    image.save(tmp_path / "a.png")
    alpha = load_picture(tmp_path / "a.png", squash((16, 16), (56, 56))).weights
    assert alpha is not None
    assert alpha.min() == 0
    assert alpha.max() == 1


def test_half_clear_pixels_are_half_white(tmp_path: Path) -> None:
    Image.new("LA", (8, 8), (0, 128)).save(tmp_path / "a.png")
    loaded = load_picture(tmp_path / "a.png", squash((8, 8), (8, 8)))
    np.testing.assert_allclose(loaded.pixels, 127 / 127.5 - 1, atol=1e-6)
    assert loaded.weights is not None
    np.testing.assert_allclose(loaded.weights, 128 / 255, atol=1e-6)


def test_a_file_that_changed_since_the_scan_is_refused(tmp_path: Path) -> None:
    Image.new("RGB", (8, 8)).save(tmp_path / "a.png")
    with pytest.raises(InvalidDataset, match="was 16x16 pixels and is 8x8"):
        load_picture(tmp_path / "a.png", squash((16, 16), (8, 8)))
