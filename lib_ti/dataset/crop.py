"""Crops of pictures for a data set: around the middle at a size that suits, around a point, or several along a long picture."""

import math
from collections.abc import Sequence

from PIL import Image

from lib_ti.dataset.bucket import Size, cover
from lib_ti.dataset.picture import place_image

Box = tuple[int, int, int, int]
GRID = 64


def find_size(
    size: Size, sides: tuple[int, int], areas: tuple[int, int], objective: str, threshold: float
) -> Size | None:
    """The size from `sides[0]` in steps of 64 to `sides[1]`, with an area within `areas`, that suits a picture of `size`.

    A shape's error is the share by which its aspect ratio misses the picture's. Of those within `threshold` the one of the
    largest area ("area") or the smallest error ("error"); None where there is none.
    """

    def error(width: int, height: int) -> float:
        ratio = size[0] / size[1] * height / width
        return 1 - min(ratio, 1 / ratio)

    grid = range(sides[0], sides[1] + 1, GRID)
    sizes = [
        (width, height)
        for width in grid
        for height in grid
        if areas[0] <= width * height <= areas[1] and error(width, height) <= threshold
    ]
    if objective == "area":
        return max(sizes, key=lambda shape: (shape[0] * shape[1], -error(*shape)), default=None)
    return min(sizes, key=lambda shape: (error(*shape), -shape[0] * shape[1]), default=None)


def crop_middle(image: Image.Image, target: Size) -> Image.Image:
    """Scaled, keeping the aspect, until `target` is just covered; the middle of that."""
    return place_image(image, cover(image.size, target))


def scale_to_cover(image: Image.Image, target: Size) -> Image.Image:
    size = cover(image.size, target).resize_to
    return image if image.size == size else image.resize(size, Image.Resampling.LANCZOS)


def box_around(point: Sequence[float], size: Size, target: Size) -> Box:
    """A box of `target` inside a picture of `size`, with `point` (x, y) as near its middle as the border allows."""
    left, top = (
        min(max(0, round(place - side / 2)), whole - side)
        for place, side, whole in zip(point, target, size, strict=True)
    )
    return left, top, left + target[0], top + target[1]


def is_oversized(size: Size, target: Size, threshold: float) -> bool:
    """Whether the picture is so much longer than the shape of `target` that its short side is at most `threshold` of what it asks for."""
    ratio = size[0] * target[1] / (size[1] * target[0])
    if size[1] <= size[0]:
        ratio = 1 / ratio
    return ratio < 1 and ratio <= threshold


def piece_starts(length: int, piece: int, overlap: float) -> list[int]:
    """Where pieces of `piece` pixels begin that cover `length`, evenly, each sharing at least `overlap` of itself with the next."""
    if length <= piece:
        return [0]
    count = max(2, math.ceil((length - piece * overlap) / (piece * (1 - overlap))))
    return [round(number * (length - piece) / (count - 1)) for number in range(count)]


def split_picture(image: Image.Image, target: Size, overlap: float) -> list[Image.Image]:
    """Pieces of size `target` along the long side, the short side scaled to fit; from the top or the left."""
    width, height = target
    if image.height > image.width:
        scaled = image.resize((width, max(height, round(image.height * width / image.width))), Image.Resampling.LANCZOS)
        return [scaled.crop((0, y, width, y + height)) for y in piece_starts(scaled.height, height, overlap)]
    scaled = image.resize((max(width, round(image.width * height / image.height)), height), Image.Resampling.LANCZOS)
    return [scaled.crop((x, 0, x + width, height)) for x in piece_starts(scaled.width, width, overlap)]
