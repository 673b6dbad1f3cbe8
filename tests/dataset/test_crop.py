"""Crops: a user would lose the subject, or see pieces that miss a part of a long picture."""

from itertools import pairwise

import pytest
from PIL import Image

from lib_ti.dataset.crop import box_around, crop_middle, find_size, is_oversized, piece_starts, split_picture

SIDES, AREAS = (384, 768), (4096, 640 * 640)


@pytest.mark.parametrize(
    ("size", "objective", "wanted"),
    [
        ((1000, 1000), "area", (640, 640)),
        ((1920, 1080), "area", (768, 448)),
        ((1080, 1920), "error", (384, 704)),  # 1.833 against 1.778: nothing on the grid within the bounds is nearer
        ((4000, 1000), "area", None),
    ],
)
def test_the_size_is_the_best_on_the_grid(size, objective, wanted) -> None:
    assert find_size(size, SIDES, AREAS, objective, 0.1) == wanted


def test_a_grid_begins_at_its_lower_bound_and_areas_count() -> None:
    assert find_size((100, 100), (100, 300), (4096, 230 * 230), "area", 0.1) == (228, 228)
    assert find_size((100, 100), (100, 300), (40000, 50000), "area", 0.1) is None
    assert find_size((110, 100), (100, 300), (40000, 50000), "area", 0.5) == (292, 164)


def test_the_middle_is_cropped_without_stretching() -> None:
    image = Image.new("RGB", (300, 100), "red")
    image.paste("blue", (100, 0, 200, 100))
    cropped = crop_middle(image, (50, 50))
    assert cropped.size == (50, 50)
    assert cropped.getpixel((25, 25)) == (0, 0, 255)
    assert cropped.getpixel((3, 25))[2] > 200


@pytest.mark.parametrize(
    ("point", "box"),
    [((100, 50), (50, 0, 150, 100)), ((0, 0), (0, 0, 100, 100)), ((299, 99), (200, 0, 300, 100))],
)
def test_a_box_stays_inside_the_picture(point, box) -> None:
    assert box_around(point, (300, 100), (100, 100)) == box


@pytest.mark.parametrize(
    ("size", "target", "threshold", "oversized"),
    [
        ((1000, 2000), (512, 512), 0.5, True),
        ((1000, 1999), (512, 512), 0.5, False),
        ((2000, 1000), (512, 512), 0.5, True),
        ((1000, 1000), (512, 512), 1.0, False),
        ((1000, 2000), (512, 1024), 1.0, False),  # as long as the shape itself
        ((3000, 1000), (1024, 512), 0.7, True),
    ],
)
def test_only_pictures_that_are_much_longer_than_the_shape_are_split(size, target, threshold, oversized) -> None:
    assert is_oversized(size, target, threshold) is oversized


@pytest.mark.parametrize(("length", "overlap"), [(513, 0.2), (1000, 0.2), (1024, 0.0), (5000, 0.9), (700, 0.5)])
def test_pieces_cover_everything_and_overlap_enough(length: int, overlap: float) -> None:
    starts = piece_starts(length, 512, overlap)
    assert (starts[0], starts[-1]) == (0, length - 512)
    assert all(later - earlier <= 512 * (1 - overlap) + 1 for earlier, later in pairwise(starts))


@pytest.mark.parametrize("turned", [False, True])
def test_pieces_have_the_size_and_go_along_the_long_side(turned: bool) -> None:
    image = Image.new("RGB", (100, 400), "red")
    image.paste("blue", (0, 200, 100, 400))
    pieces = split_picture(image.transpose(Image.Transpose.ROTATE_90) if turned else image, (64, 64), 0.2)
    assert {piece.size for piece in pieces} == {(64, 64)}
    assert len(pieces) == 5
    ends = [pieces[0].getpixel((32, 32)), pieces[-1].getpixel((32, 32))]
    assert ends == [(255, 0, 0), (0, 0, 255)]
