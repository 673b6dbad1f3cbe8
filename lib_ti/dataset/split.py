"""Long pictures in pieces: a strip of a comic, a panorama."""

import math

from PIL import Image

from lib_ti.dataset.bucket import Size


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
