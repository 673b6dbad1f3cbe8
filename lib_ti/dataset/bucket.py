"""How a picture of any size becomes a training picture: which shape, how it is scaled, what is cut off. Sizes are (width, height)."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache

from lib_ti.host import PictureSize

Size = tuple[int, int]


@dataclass(frozen=True)
class Fit:
    """Scale a picture of size `original` to `resize_to`, then cut out `crop_box` (left, top, right, bottom)."""

    original: Size
    resize_to: Size
    crop_box: tuple[int, int, int, int]

    @property
    def target(self) -> Size:
        left, top, right, bottom = self.crop_box
        return right - left, bottom - top

    @property
    def enlargement(self) -> float:
        """How many times longer the more stretched side becomes; below 1 the picture shrinks."""
        return max(self.resize_to[0] / self.original[0], self.resize_to[1] / self.original[1])

    @property
    def share_kept(self) -> float:
        """The share of the picture's area that the crop leaves."""
        return math.prod(self.target) / math.prod(self.resize_to)

    @property
    def mirrored(self) -> "Fit":
        """Of the picture mirrored, left for right: the same piece of it."""
        (left, top, right, bottom), width = self.crop_box, self.resize_to[0]
        return replace(self, crop_box=(width - right, top, width - left, bottom))

    def crops(self, count: int) -> tuple["Fit", ...]:
        """`count` crops, evenly from one end of what this one cuts off to the other, each once; of one, this one itself."""
        if count == 1:
            return (self,)
        (width, height), across, down = (
            self.target,
            self.resize_to[0] - self.target[0],
            self.resize_to[1] - self.target[1],
        )
        shares = [number / (count - 1) for number in range(count)]
        corners = dict.fromkeys((round(across * share), round(down * share)) for share in shares)
        return tuple(replace(self, crop_box=(left, top, left + width, top + height)) for left, top in corners)

    @property
    def picture_size(self) -> PictureSize:
        (width, height), (left, top, _, _) = self.original, self.crop_box
        return PictureSize(height, width, top, left, self.target[1], self.target[0])


def bucket_step(native_size: int, pixel_multiple: int) -> int:
    """The grid of bucket sides: 64 pixels for models of 512 and more, a quarter of the side for small ones."""
    step = 64 if native_size >= 512 else native_size // 4
    return max(pixel_multiple, step - step % pixel_multiple)


@lru_cache
def bucket_shapes(width: int, height: int, step: int) -> tuple[Size, ...]:
    """Shapes on a grid of `step` with as much of the area width x height as fits, up to 4:1 or 1:4, and that shape itself."""
    area = width * height
    shapes = {(width, height)}
    for side in range(step, 2 * math.isqrt(area) + 1, step):
        other = area // side // step * step
        if other and max(side, other) <= 4 * min(side, other):
            shapes |= {(side, other), (other, side)}
    return tuple(sorted(shapes))


def nearest_bucket(size: Size, shapes: Sequence[Size]) -> Size:
    """The shape whose aspect ratio is nearest (as a factor) to that of `size`; of equals the larger one."""
    aspect = size[0] / size[1]
    return min(
        shapes, key=lambda shape: (round(abs(math.log(shape[0] / shape[1] / aspect)), 9), -math.prod(shape), shape)
    )


def cover(original: Size, target: Size) -> Fit:
    """Scale, keeping the aspect, until `target` is just covered, and crop the middle."""
    scale = max(target[0] / original[0], target[1] / original[1])
    return _crop_middle(
        original, (_scaled(original[0], scale, target[0]), _scaled(original[1], scale, target[1])), target
    )


def squash(original: Size, target: Size) -> Fit:
    """Stretch to `target`, whatever that does to the aspect."""
    return Fit(original, target, (0, 0, *target))


def keep_shape(original: Size, area: int, step: int) -> Fit:
    """Keep the aspect, as kohya's buckets without upscaling do: shrink to `area` if larger, cut both sides to the grid.

    Only a side shorter than one `step` is enlarged. `area` must be at least step x step.
    """
    scale = min(1.0, math.sqrt(area / math.prod(original)))
    longest = area // step // step * step  # beside a side of one step
    width, height = (min(longest, max(step, int(side * scale + 1e-6) // step * step)) for side in original)
    if scale == 1.0 and width <= original[0] and height <= original[1]:
        return _crop_middle(original, original, (width, height))
    return cover(original, (width, height))


def fit_picture(original: Size, how: str, width: int, height: int, step: int) -> Fit:
    """The fit of config `data.fit`. `step` divides every side, except that width x height is always a legal shape."""
    step = min(step, width, height)
    if how == "buckets":
        return cover(original, nearest_bucket(original, bucket_shapes(width, height, step)))
    if how == "variable":
        return keep_shape(original, width * height, step)
    return {"crop": cover, "squash": squash}[how](original, (width, height))


def _scaled(side: int, scale: float, least: int) -> int:
    return max(least, round(side * scale))


def _crop_middle(original: Size, resize_to: Size, target: Size) -> Fit:
    left, top = (resize_to[0] - target[0]) // 2, (resize_to[1] - target[1]) // 2
    return Fit(original, resize_to, (left, top, left + target[0], top + target[1]))
