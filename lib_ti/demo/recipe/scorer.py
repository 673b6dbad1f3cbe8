"""What is in a picture? Colour, shape and texture, read by formula: no network to trust.

The shape is the one whose outline, put where the picture's foreground lies, covers it best; the texture is the one
that explains the brightness inside best; the colour is the nearest hue.
"""

from functools import cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from lib_ti.demo.world import COLOURS, SHAPES, SIZE, TEXTURES, Array, Picture, Thing, grid, signed_distance, texture

LEAST_OVERLAP = 0.75  # under this, intersection over union, it is no shape of this world
LEAST_FOREGROUND = 0.02
UNCLEAR = "unclear"
Box = tuple[float, float, float, float]


class Reading(NamedTuple):
    texture: str
    colour: str
    shape: str
    overlap: float

    def shows(self, thing: Thing) -> bool:
        return (self.texture, self.colour, self.shape) == tuple(thing)


def _box(mask: NDArray[np.bool_], x: Array, y: Array) -> Box:
    """Left, top, right, bottom."""
    return float(x[mask].min()), float(y[mask].min()), float(x[mask].max()), float(y[mask].max())


@cache
def _outline_box(shape: str) -> Box:
    y, x = np.mgrid[-1.4:1.4:281j, -1.4:1.4:281j].astype(np.float32)
    return _box(signed_distance(shape, x, y) < 0, x, y)


def _fitted(shape: str, box: Box) -> NDArray[np.bool_]:
    """[H, W]: the shape, placed and sized so that its bounding box is `box` as nearly as its proportions allow."""
    left, top, right, bottom = _outline_box(shape)
    radius = ((box[2] - box[0]) / (right - left) + (box[3] - box[1]) / (bottom - top)) / 2
    cx = (box[0] + box[2]) / 2 - radius * (left + right) / 2
    cy = (box[1] + box[3]) / 2 - radius * (top + bottom) / 2
    x, y = grid()
    return signed_distance(shape, (x - cx) / radius, (y - cy) / radius) < 0


def _overlap(a: NDArray[np.bool_], b: NDArray[np.bool_]) -> float:
    return float((a & b).sum() / max(1, (a | b).sum()))


def _hue(colour: Array) -> float:
    """Angle of chroma, radians, of RGB [3]."""
    r, g, b = (float(c) for c in colour)
    return float(np.arctan2(np.sqrt(3) * (g - b), 2 * r - g - b))


def _read_colour(pixels: Array) -> str:
    """Of foreground pixels [N, 3]: dark and light ones share a hue, and the sum weighs the colourful ones most."""
    hue = _hue(pixels.sum(0))

    def distance(name: str) -> float:
        return abs(float(np.angle(np.exp(1j * (hue - _hue(np.array(COLOURS[name], np.float32)))))))

    return min(COLOURS, key=distance)


def _read_texture(brightness: Array, mask: NDArray[np.bool_]) -> str:
    """By least squares: brightness = c * (1 - 0.7 * texture) inside the mask."""

    def error(name: str) -> float:
        model = (1 - 0.7 * texture(name))[mask]
        seen = brightness[mask]
        return float(((seen - model * (model @ seen) / (model @ model)) ** 2).sum())

    return min(TEXTURES, key=error)


def read_picture(picture: Picture) -> Reading:
    """[H, W, 3] uint8 -> what it shows."""
    pixels = picture.astype(np.float32)
    foreground = pixels.min(-1) < 190  # the ground is near white, its shadow above 215
    if foreground.sum() < LEAST_FOREGROUND * SIZE * SIZE:
        return Reading(UNCLEAR, UNCLEAR, UNCLEAR, 0.0)
    box = _box(foreground, *grid())
    overlaps = {shape: _overlap(foreground, _fitted(shape, box)) for shape in SHAPES}
    shape = max(overlaps, key=lambda s: overlaps[s])
    return Reading(
        texture=_read_texture(pixels.mean(-1), foreground),
        colour=_read_colour(pixels[foreground]),
        shape=shape if overlaps[shape] >= LEAST_OVERLAP else UNCLEAR,
        overlap=overlaps[shape],
    )


def count_right(pictures: Picture, things: list[Thing]) -> int:
    """How many of [B, H, W, 3] show their thing in colour, shape and texture at once."""
    return sum(read_picture(picture).shows(thing) for picture, thing in zip(pictures, things, strict=True))
