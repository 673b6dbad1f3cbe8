"""A picture file, decoded: whole, upright, RGB or, where parts of it are transparent, RGBA; and as numbers for training.

Transparent parts are shown on white, with the alpha channel as loss weight or without. A mask file weights the loss as well. What a file stores under transparent
pixels is nobody's intention, often black, and would bleed into the edges when the picture is scaled and encoded.
"""

from __future__ import annotations

import struct
import zlib
from dataclasses import dataclass
from functools import reduce
from pathlib import Path
from typing import TYPE_CHECKING

from PIL import Image, ImageChops, ImageOps, UnidentifiedImageError

from lib_ti.dataset.bucket import Fit
from lib_ti.errors import Fault, InvalidDataset
from lib_ti.host import PictureSize
from lib_ti.reading import open_file

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    Array = npt.NDArray[np.float32]

# Larger than any camera's picture; a small file that claims more is a mistake or an attack on memory.
MAX_PIXELS = 120_000_000

# By how much the sides' ratio of a mask may differ from its picture's: by no more than rounding makes of small ones.
SAME_SHAPE = 0.02

# What Pillow's decoders raise on bytes that are not what they claim to be.
_BROKEN = (
    *(OSError, EOFError, SyntaxError, ValueError, TypeError, LookupError, OverflowError, RuntimeError),
    *(struct.error, zlib.error),
)
_RESAVE = "save it again as PNG or JPEG, or take it out of the folder"


def load_image(path: Path) -> Image.Image:
    """Decode all of `path`: mode RGBA if a pixel is not opaque, else RGB; turned as its EXIF data says.

    Raises InvalidDataset for a broken, animated or oversized file.
    """
    try:
        with open_file(path) as file, Image.open(file) as image:
            _refuse_oddities(path, image)
            image.load()
            return _to_rgb(_upright(image))
    except UnidentifiedImageError as error:
        raise InvalidDataset([Fault(str(path), "is not a picture in a format that can be read", _RESAVE)]) from error
    except _BROKEN as error:
        raise InvalidDataset([Fault(str(path), f"cannot be decoded: {error}", _RESAVE)]) from error
    except Image.DecompressionBombError as error:
        raise _too_large(path) from error


def place_image(image: Image.Image, fit: Fit) -> Image.Image:
    """Scale and crop as `fit` says. Lanczos both ways: Pillow widens the filter when shrinking, so nothing aliases."""
    if image.size != fit.resize_to:
        image = image.resize(fit.resize_to, Image.Resampling.LANCZOS)
    return image.crop(fit.crop_box)


def load_mask(path: Path, size: tuple[int, int]) -> Image.Image:
    """A mask file for a picture of `size` (width, height), as grey: white counts, black and clear parts do not.

    It may be larger or smaller, in the picture's own shape. Raises InvalidDataset.
    """
    image = load_image(path)
    if abs(image.width * size[1] / (image.height * size[0]) - 1) > SAME_SHAPE:
        message = "is {}x{} pixels, and its picture {}x{}: another shape".format(*image.size, *size)
        raise InvalidDataset([Fault(str(path), message, "draw the mask over the whole picture")])
    grey = image.convert("L")
    return ImageChops.multiply(grey, image.getchannel("A")) if image.mode == "RGBA" else grey


def place_weights(image: Image.Image, fit: Fit, use_alpha: bool, mask: Image.Image | None) -> Image.Image | None:
    """How much each pixel of the placed picture counts, as grey; None where all count alike."""
    parts = [image.getchannel("A")] if use_alpha and image.mode == "RGBA" else []
    placed = [place_image(part, fit) for part in (*parts, *([mask] if mask else []))]
    return reduce(ImageChops.multiply, placed) if placed else None


def _refuse_oddities(path: Path, image: Image.Image) -> None:
    if image.width * image.height > MAX_PIXELS:
        raise _too_large(path)
    frames = getattr(image, "n_frames", 1)
    if frames > 1 and image.format != "MPO":  # a phone's JPEG with a thumbnail behind the photo
        raise InvalidDataset([Fault(str(path), f"is an animation of {frames} frames", "save one frame as PNG")])
    if image.mode == "F":
        raise InvalidDataset([Fault(str(path), "holds floating-point pixels, whose range is unknown", _RESAVE)])


def _upright(image: Image.Image) -> Image.Image:
    if image.format == "TIFF":
        return image  # turned by Pillow itself while loading; old versions would turn it twice
    try:
        return ImageOps.exif_transpose(image) or image
    except _BROKEN:
        return image  # damaged EXIF data in a sound picture: nothing says that it is not upright


def _to_rgb(image: Image.Image) -> Image.Image:
    if image.mode.startswith("I"):  # 16-bit grey, which convert() alone would clip at 255
        image.info.pop("transparency", None)  # one grey value of 65536: nobody means it
        return image.convert("I").point(lambda value: value * (1 / 257)).convert("L").convert("RGB")
    if "A" not in image.getbands() and "transparency" not in image.info:
        return image.convert("RGB")
    image = image.convert("RGBA")
    opaque = image.getchannel("A").getextrema()[0] == 255
    return image.convert("RGB") if opaque else image


def _too_large(path: Path) -> InvalidDataset:
    return InvalidDataset(
        [Fault(str(path), f"has more than {MAX_PIXELS // 1_000_000} million pixels", "save a smaller copy")]
    )


@dataclass(frozen=True)
class LoadedPicture:
    """`pixels`: [3, H, W] in -1..1; `weights`: how much each counts, [H, W] in 0..1, None where all count alike; both float32.
    `size` is for SDXL."""

    pixels: Array
    weights: Array | None
    size: PictureSize

    def mirrored(self, fit: Fit) -> LoadedPicture:
        """Left for right; `fit` is the one that it was loaded by."""
        weights = None if self.weights is None else self.weights[:, ::-1].copy()
        return LoadedPicture(self.pixels[:, :, ::-1].copy(), weights, fit.mirrored.picture_size)


def load_picture(path: Path, fit: Fit, use_alpha: bool = True, mask: Path | None = None) -> LoadedPicture:
    """Decode, scale and crop `path` as planned, and its `mask` with it. Raises InvalidDataset if a file is broken or not the one
    planned for."""
    import numpy as np  # here, so that a folder can be scanned without it

    image = load_image(path)
    if image.size != fit.original:
        message = "changed while it was in use: it was {}x{} pixels and is {}x{}".format(*fit.original, *image.size)
        raise InvalidDataset([Fault(str(path), message, "start again")])
    placed = place_weights(image, fit, use_alpha, load_mask(mask, image.size) if mask else None)
    weights: Array | None = None if placed is None else np.asarray(placed, dtype=np.float32) / np.float32(255)
    colours = np.asarray(place_image(_on_white(image), fit), dtype=np.float32) / 127.5 - 1
    return LoadedPicture(np.ascontiguousarray(colours.transpose(2, 0, 1)), weights, fit.picture_size)


def _on_white(image: Image.Image) -> Image.Image:
    if image.mode == "RGB":
        return image
    white = Image.new("RGBA", image.size, "white")
    return Image.alpha_composite(white, image).convert("RGB")
