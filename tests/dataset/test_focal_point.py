"""A user would lose: the subject that stands beside the middle."""

import numpy as np
import pytest
from PIL import Image, ImageDraw

from lib_ti.dataset.focal_point import draw_focus, find_corners, find_focus, find_variety


@pytest.fixture
def beside() -> Image.Image:
    """A plain picture of 300x100 with something detailed at its right end."""
    image = Image.new("RGB", (300, 100), (90, 90, 90))
    noise = np.random.default_rng(0).integers(0, 255, (50, 50, 3), dtype=np.uint8)
    image.paste(Image.fromarray(noise), (230, 20))
    return image


@pytest.mark.parametrize("weights", [(0, 0, 1), (0, 1, 0), (0, 0.15, 0.5)])
def test_corners_and_variety_find_the_detail(beside: Image.Image, weights: tuple[float, float, float]) -> None:
    x, _ = find_focus(beside, (100, 100), (), *weights).point
    assert 220 < x <= 280


def test_faces_pull_by_their_weight_and_only_where_there_are_some(beside: Image.Image) -> None:
    alone = find_focus(beside, (100, 100), (), 0.9, 0, 0.5).point
    assert find_focus(beside, (100, 100), [(10, 10), (30, 10)], 1, 0, 0).point == (20, 10)
    assert find_focus(beside, (100, 100), (), 1, 0, 0).point == (150, 50)
    pulled = find_focus(beside, (100, 100), [(20, 10)], 0.9, 0, 0.5).point
    assert pulled[0] == pytest.approx((0.9 * 20 + 0.5 * alone[0]) / 1.4)


def test_a_plain_picture_is_cropped_in_the_middle() -> None:
    plain = Image.new("RGB", (300, 100), "grey")
    assert find_focus(plain, (100, 100), (), 0.9, 0.15, 0.5).point == pytest.approx((150, 50), abs=1)


def test_corners_are_corners_not_edges_and_never_at_the_foot() -> None:
    image = Image.new("L", (200, 200), 0)
    ImageDraw.Draw(image).rectangle((60, 60, 120, 120), fill=255)
    ImageDraw.Draw(image).rectangle((10, 185, 40, 195), fill=255)  # a watermark
    found = find_corners(np.asarray(image, dtype=np.float32))
    assert len(found) == 4
    for corner in [(60, 60), (120, 60), (60, 120), (120, 120)]:
        assert min(abs(x - corner[0]) + abs(y - corner[1]) for x, y in found) <= 4


def test_variety_needs_room_to_slide_and_works_upright_too(beside: Image.Image) -> None:
    grey = np.asarray(beside.convert("L"), dtype=np.float32)
    assert find_variety(grey, (300, 100)) == ()
    (across,), (upright,) = find_variety(grey, (100, 100)), find_variety(grey.T.copy(), (100, 100))
    assert upright == across[::-1]


def test_the_debug_picture_shows_crop_and_points(beside: Image.Image) -> None:
    focus = find_focus(beside.convert("RGBA"), (100, 100), [(20, 10)], 0.9, 0.15, 0.5)
    shown = draw_focus(beside.convert("RGBA"), focus, (200, 0, 300, 100))
    assert shown.getpixel((250, 0)) == (0, 204, 68)
    assert {kind for kind, _, _ in focus.found} == {"edges", "entropy", "face"}
