"""A training picture as numbers.

Transparent parts are shown on white, with the alpha channel as loss weight or without. What a file stores under transparent
pixels is nobody's intention, often black, and would bleed into the edges when the picture is scaled and encoded.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image

from lib_ti.dataset.bucket import Fit
from lib_ti.dataset.decode import load_image, place_image
from lib_ti.errors import Fault, InvalidDataset
from lib_ti.host import PictureSize

Array = npt.NDArray[np.float32]


@dataclass(frozen=True)
class LoadedPicture:
    """`pixels`: [3, H, W] in -1..1; `alpha`: [H, W] in 0..1, None for an opaque file; both float32. `size` is for SDXL."""

    pixels: Array
    alpha: Array | None
    size: PictureSize


def load_picture(path: Path, fit: Fit) -> LoadedPicture:
    """Decode, scale and crop `path` as planned. Raises InvalidDataset if the file is broken or not the one planned for."""
    image = load_image(path)
    if image.size != fit.original:
        message = "changed while it was in use: it was {}x{} pixels and is {}x{}".format(*fit.original, *image.size)
        raise InvalidDataset([Fault(str(path), message, "start again")])
    alpha: Array | None = None
    if image.mode == "RGBA":
        alpha = np.asarray(place_image(image.getchannel("A"), fit), dtype=np.float32) / np.float32(255)
    colours = np.asarray(place_image(_on_white(image), fit), dtype=np.float32) / 127.5 - 1
    return LoadedPicture(np.ascontiguousarray(colours.transpose(2, 0, 1)), alpha, fit.picture_size)


def _on_white(image: Image.Image) -> Image.Image:
    if image.mode == "RGB":
        return image
    white = Image.new("RGBA", image.size, "white")
    return Image.alpha_composite(white, image).convert("RGB")
