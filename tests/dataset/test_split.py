"""A user would lose: a part of a long picture between two pieces."""

from itertools import pairwise

import pytest
from PIL import Image

from lib_ti.dataset.split import is_oversized, piece_starts, split_picture


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
