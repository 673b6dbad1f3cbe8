"""Pictures that carry an embedding: in a text chunk, and for SD1 and SD2 in pixel columns too.

The chunk `sd-ti-embedding` is base64 of JSON in which a tensor is {"TORCHTENSOR": nested lists}; the pixel columns hold the
same JSON. A1111 and its relatives read both; a picture service drops the chunk and keeps the pixels if it saves without loss.

The columns are two blocks left and right of a picture. Each pixel channel of a block carries four bits of a zlib stream in
its low bits, XORed with a fixed key stream; the left block has the low halves of the bytes, the right one the high halves.
A black column stands between block and picture. The upper bits of a block are free for looks.
"""

from __future__ import annotations

import base64
import json
import struct
import zlib
from collections.abc import Mapping, Sequence
from io import BytesIO
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from lib_ti.embedding.limits import MAX_JSON_BYTES, MAX_PIXELS
from lib_ti.errors import InvalidEmbedding
from lib_ti.formats.card import draw_card
from lib_ti.formats.metadata import write_metadata
from lib_ti.formats.stored import StoredTensor
from lib_ti.reading import read_json, whole_number

if TYPE_CHECKING:
    import torch

    from lib_ti.embedding.embedding import Embedding


CHUNK = "sd-ti-embedding"
METADATA_CHUNK = "ti-lab"
_FORMATS = ("PNG", "WEBP", "AVIF", "JXL")
_TENSOR = "TORCHTENSOR"


def write_preview_png(
    image: Image.Image, embedding: Embedding, lines: Sequence[str] | None = None, text: Mapping[str, str] | None = None
) -> bytes:
    """A PNG of `image` with the embedding's name and `lines` on it, which can be used as the embedding.

    `lines` are by default the vectors, the step and the model; `text` are further text chunks, such as the infotext. An
    embedding of two encoders (SDXL) is carried by the text chunk alone: pixel columns are a form for one encoder.
    """
    card = draw_card(image, embedding.name, card_lines(embedding) if lines is None else lines)
    payload = json.dumps(_json_values(embedding)).encode()
    if len(embedding.vectors) == 1:
        card = write_columns(card, payload, next(iter(embedding.vectors.values())).tolist())
    chunks = PngInfo()
    chunks.add_text(CHUNK, base64.b64encode(payload).decode())
    chunks.add_itxt(METADATA_CHUNK, json.dumps(write_metadata(embedding)))
    for key, value in (text or {}).items():
        chunks.add_itxt(key, value)
    file = BytesIO()
    card.save(file, "PNG", pnginfo=chunks)
    return file.getvalue()


def card_lines(embedding: Embedding) -> list[str]:
    vectors = f"{embedding.rows} vector" + ("s" if embedding.rows > 1 else "")
    model = f"{embedding.model_name} {f'[{embedding.model_hash}]' if embedding.model_hash else ''}".strip()
    return [f"{vectors} · step {embedding.step}", *([model] if model else [])]


def _json_values(embedding: Embedding) -> dict[str, Any]:
    tensors = {encoder: {_TENSOR: tensor.tolist()} for encoder, tensor in embedding.vectors.items()}
    if len(tensors) > 1:
        return tensors  # any key beside the encoders' would be taken for a tensor
    return a1111_values(embedding, next(iter(tensors.values())))


def a1111_values(embedding: Embedding, tensor: Any) -> dict[str, Any]:
    """The dict that A1111 keeps an embedding in, `tensor` being what stands for its vectors."""
    return {
        "string_to_token": {"*": 265},  # the token of "*": part of the form, of no effect
        "string_to_param": {"*": tensor},
        "name": embedding.name,
        "step": embedding.step,
        "sd_checkpoint": embedding.model_hash or None,
        "sd_checkpoint_name": embedding.model_name or None,
    }


def is_picture(start: bytes) -> bool:
    """`start`: the first bytes of a file, at least 12."""
    return (
        start.startswith((b"\x89PNG\r\n\x1a\n", b"\xff\x0a", b"\x00\x00\x00\x0cJXL "))
        or (start[:4] == b"RIFF" and start[8:12] == b"WEBP")
        or start[4:12] in (b"ftypavif", b"ftypavis")
    )


def read_png_embedding(data: bytes) -> tuple[dict[str, Any], dict[str, str]]:
    """What a picture carries, by the keys of A1111's dict with `StoredTensor` for tensors, and our metadata if any.

    Raises InvalidEmbedding where it carries nothing.
    """
    Image.init()
    try:
        with Image.open(BytesIO(data), formats=[name for name in _FORMATS if name in Image.OPEN]) as image:
            if CHUNK not in image.info:
                if image.width * image.height > MAX_PIXELS:
                    raise InvalidEmbedding(
                        f"A picture of {image.width}x{image.height} is not searched: it is too large."
                    )
                image.load()
            metadata = _parse_metadata(image.info.get(METADATA_CHUNK))
            if CHUNK in image.info:
                return _parse_payload(base64.b64decode(image.info[CHUNK])), metadata
            payload = read_columns(image)
    except (
        # What Pillow raises at damaged pictures, by format; and a text chunk that is no base64.
        *(OSError, SyntaxError, ValueError, EOFError, TypeError, IndexError, KeyError, OverflowError, struct.error),
        *(zlib.error, Image.DecompressionBombError),
    ) as error:
        raise InvalidEmbedding(f"This picture is damaged ({str(error)[:200]}).", "Fetch it anew.") from error
    if payload is None:
        raise InvalidEmbedding(
            "This picture carries no embedding.",
            "If it once did, it was saved anew on its way: ask for the original file.",
        )
    return _parse_payload(payload), metadata


def _parse_payload(payload: bytes) -> dict[str, Any]:
    try:
        if len(payload) > MAX_JSON_BYTES:
            raise ValueError(f"{len(payload)} bytes, more than the {MAX_JSON_BYTES} that we read")
        values = json.loads(payload, object_hook=_tensor, parse_int=whole_number)
    except (ValueError, TypeError, OverflowError, RecursionError) as error:
        raise InvalidEmbedding(f"The embedding in this picture is damaged ({str(error)[:200]}).") from error
    if not isinstance(values, dict):
        raise InvalidEmbedding("What this picture carries is not an embedding.")
    return values


def _tensor(values: dict[str, Any]) -> Any:
    if _TENSOR not in values:
        return values
    numbers = np.asarray(values[_TENSOR], np.float64)

    def load() -> torch.Tensor:
        import torch

        return torch.from_numpy(numbers)

    return StoredTensor(numbers.shape, "float64", load)


def _parse_metadata(text: object) -> dict[str, str]:
    try:
        values = read_json(str(text))
    except ValueError:
        return {}
    if not isinstance(values, dict) or not all(isinstance(value, str) for value in values.values()):
        return {}
    return values


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
