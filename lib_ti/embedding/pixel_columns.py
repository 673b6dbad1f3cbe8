"""An embedding in the pixels: two blocks of columns left and right of a picture, as A1111 reads them.

Each pixel channel of a block carries four bits of a zlib stream in its low bits, XORed with a fixed key stream; the left
block has the low halves of the bytes, the right one the high halves. A black column stands between block and picture. The
upper bits of a block are free for looks.
"""

import zlib
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from PIL import Image

from lib_ti.embedding.limits import MAX_JSON_BYTES

Bytes = npt.NDArray[np.uint8]

_TINT = np.array([0.42, 0.72, 1.0])


def key_stream(count: int) -> Bytes:
    """[count] in 0..254: the linear congruential series s = (1664525 s + 1013904223) mod 2^32 from 0, each mod 255."""
    # In closed form, s_n = c (1 + a + … + a^(n-1)), where overflow of 32 bits is the modulus.
    powers = np.multiply.accumulate(np.full(count, 1664525, np.uint32), dtype=np.uint32)
    sums = np.add.accumulate(np.concatenate([np.ones(1, np.uint32), powers])[:count], dtype=np.uint32)
    states: npt.NDArray[np.uint32] = np.multiply(sums, np.uint32(1013904223), dtype=np.uint32)
    return (states % 255).astype(np.uint8)


def write_columns(image: Image.Image, payload: bytes, texture: Sequence[Sequence[float]]) -> Image.Image:
    """`image`, RGB, between the two blocks. `texture`: the embedding's rows; the first and last are seen in the blocks."""
    packed = np.frombuffer(zlib.compress(payload, 9), np.uint8)
    height = image.height
    size = len(packed) + height - len(packed) % height
    size += 3 * height - size % (3 * height)
    low = _block(np.resize(packed & 15, size), height, texture[0])
    high = _block(np.resize(packed >> 4, size), height, texture[-1])
    width = low.shape[1]
    canvas = Image.new("RGB", (image.width + 2 * width + 2, height))
    canvas.paste(Image.fromarray(low), (0, 0))
    canvas.paste(image, (width + 1, 0))
    canvas.paste(Image.fromarray(high), (width + 1 + image.width + 1, 0))
    return canvas


def _block(nibbles: Bytes, height: int, row: Sequence[float]) -> Bytes:
    hidden = nibbles ^ (key_stream(len(nibbles)) & 15)
    block = hidden.reshape(height, -1, 3)
    # Lines as bright as the row's numbers are large. Never black: readers find the blocks by pixels that are not.
    lengths = np.abs(np.asarray(row, np.float64))
    spectrum = (lengths / max(lengths.max(), 1e-12))[np.arange(height) * len(lengths) // height]
    shade = (32 + 190 * spectrum[:, None, None] * _TINT).astype(np.uint8) & 0xF0
    styled: Bytes = block | shade
    return styled


def read_columns(image: Image.Image) -> bytes | None:
    """The payload; None where there is none, or where a lossy copy has destroyed it."""
    pixels: Bytes = np.asarray(image.convert("RGB"))
    lit = np.all(pixels > 0, axis=2)
    columns, rows = np.flatnonzero(np.any(lit, axis=0)), np.flatnonzero(np.any(lit, axis=1))
    if not len(columns):
        return None
    box: Bytes = pixels[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1] & np.uint8(15)
    dark = np.flatnonzero(np.max(box, axis=(0, 2)) == 0)
    if len(dark) < 2:
        return None
    low, high = (block.reshape(-1)[:MAX_JSON_BYTES] for block in (box[:, : dark[0]], box[:, dark[-1] + 1 :]))
    if len(low) != len(high):
        return None
    key = key_stream(len(low)) & 15
    unpacker = zlib.decompressobj()
    try:
        payload = unpacker.decompress(((high ^ key) << 4 | (low ^ key)).tobytes(), MAX_JSON_BYTES)
    except zlib.error:
        return None
    return payload if unpacker.eof else None  # what follows the stream repeats its start
