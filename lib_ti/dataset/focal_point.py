"""What draws the eye in a picture: the weighted mean of where its corners, its variety and its faces lie. Points are (x, y)."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw

from lib_ti.dataset.bucket import Size
from lib_ti.dataset.crop import Box

Point = tuple[float, float]
Array = npt.NDArray[Any]

MOST_CORNERS = 100
QUALITY = 0.04
"""A corner counts from this share of the strongest one on."""
DISTANCE = 0.06
"""Between two corners, as a share of the shorter side."""
FOOT = 0.9
"""Below this share of the height no corner counts: that is where watermarks are."""
LEVELS = 64


@dataclass(frozen=True)
class Focus:
    """`point` is the weighted mean of the mean points of `found`: (kind, weight, points)."""

    point: Point
    found: tuple[tuple[str, float, tuple[Point, ...]], ...]


def find_focus(
    image: Image.Image,
    window: Size,
    faces: Sequence[Point],
    face_weight: float,
    entropy_weight: float,
    edges_weight: float,
) -> Focus:
    """Where to crop `image`. `window` is the crop's size; kinds that find nothing take no part; the middle if none does."""
    grey = np.asarray(_opaque(image).convert("L"), dtype=np.float32)
    found = [
        ("edges", edges_weight, find_corners(grey) if edges_weight else ()),
        ("entropy", entropy_weight, find_variety(grey, window) if entropy_weight else ()),
        ("face", face_weight, tuple(faces) if face_weight else ()),
    ]
    kinds = tuple((kind, weight, points) for kind, weight, points in found if points)
    total = sum(weight for _, weight, _ in kinds)
    if not total:
        return Focus((image.width / 2, image.height / 2), ())
    means = [(weight / total, np.mean(points, axis=0)) for _, weight, points in kinds]
    x, y = sum(weight * mean for weight, mean in means)
    return Focus((float(x), float(y)), kinds)


def find_corners(grey: Array) -> tuple[Point, ...]:
    """Where the smaller eigenvalue of the structure tensor (Shi and Tomasi) is largest. `grey`: [H, W]."""
    height, width = grey.shape
    gy, gx = np.gradient(grey)
    xx, yy, xy = (_box3(product) for product in (gx * gx, gy * gy, gx * gy))
    strength = (xx + yy) / 2 - np.sqrt(((xx - yy) / 2) ** 2 + xy**2)
    strength[int(height * FOOT) :] = 0
    strongest = float(strength.max(initial=0.0))
    if strongest < 1e-3:
        return ()
    ys, xs = np.nonzero(_local_maxima(strength) & (strength >= QUALITY * strongest))
    order = np.argsort(-strength[ys, xs], kind="stable")
    apart = (DISTANCE * min(width, height)) ** 2
    taken: list[Point] = []
    for x, y in zip(xs[order].tolist(), ys[order].tolist(), strict=True):
        if all((x - left) ** 2 + (y - top) ** 2 >= apart for left, top in taken):
            taken.append((x, y))
            if len(taken) == MOST_CORNERS:
                break
    return tuple(taken)


def find_variety(grey: Array, window: Size) -> tuple[Point, ...]:
    """The middle of that window, slid along the side with room, whose greys have the most entropy. None without room."""
    height, width = grey.shape
    along_x = width - window[0] >= height - window[1]
    length, side = (width, window[0]) if along_x else (height, window[1])
    if length <= side:
        return ()
    lines = grey.T if along_x else grey
    levels = np.clip(lines * LEVELS / 256, 0, LEVELS - 1).astype(np.int64)
    rows = np.arange(length)[:, None] * LEVELS
    counts = np.bincount((rows + levels).ravel(), minlength=length * LEVELS).reshape(length, LEVELS)
    sums = np.pad(np.cumsum(counts, axis=0), ((1, 0), (0, 0)))
    inside = sums[side:] - sums[:-side]
    share = inside / inside.sum(axis=1, keepdims=True)
    entropy = -(share * np.log2(np.maximum(share, 1e-12))).sum(axis=1)
    best = np.flatnonzero(entropy >= entropy.max() - 1e-9)
    start = float(best[len(best) // 2])  # of equal ones the middle, so that a flat picture is cropped there
    return ((start + side / 2, height / 2),) if along_x else ((width / 2, start + side / 2),)


def draw_focus(image: Image.Image, focus: Focus, box: Box) -> Image.Image:
    """For people: the crop in green, points by kind, the focal point as a ring."""
    shown = _opaque(image).copy()
    draw = ImageDraw.Draw(shown)
    colours = {"edges": "#3366ff", "entropy": "#ffd500", "face": "#ff3333"}
    for kind, _, points in focus.found:
        for x, y in points:
            draw.ellipse((x - 3, y - 3, x + 3, y + 3), fill=colours[kind])
    radius = 0.04 * min(image.size)
    x, y = focus.point
    draw.ellipse((x - radius, y - radius, x + radius, y + radius), outline="#00cc44", width=3)
    draw.rectangle((box[0], box[1], box[2] - 1, box[3] - 1), outline="#00cc44", width=2)
    return shown


def _opaque(image: Image.Image) -> Image.Image:
    if image.mode == "RGB":
        return image
    return Image.alpha_composite(Image.new("RGBA", image.size, "white"), image.convert("RGBA")).convert("RGB")


def _box3(values: Array) -> Array:
    padded = np.pad(values, 1, mode="edge")
    height, width = values.shape
    total: Array = sum(padded[y : y + height, x : x + width] for y in range(3) for x in range(3))  # type: ignore[assignment]
    return total


def _local_maxima(values: Array) -> npt.NDArray[np.bool_]:
    padded = np.pad(values, 1, constant_values=-1.0)
    height, width = values.shape
    around = [padded[y : y + height, x : x + width] for y in range(3) for x in range(3) if (y, x) != (1, 1)]
    result: npt.NDArray[np.bool_] = values >= np.maximum.reduce(around)
    return result
