"""A user would lose: the subject, or the shape that fits a picture best."""

import pytest
from PIL import Image

from lib_ti.dataset.crop import box_around, crop_middle, find_size

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
