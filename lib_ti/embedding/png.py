"""Pictures that carry an embedding: in a text chunk, and for SD1 and SD2 in pixel columns too.

The chunk `sd-ti-embedding` is base64 of JSON in which a tensor is {"TORCHTENSOR": nested lists}; the pixel columns hold the
same JSON. A1111 and its relatives read both; a picture service drops the chunk and keeps the pixels if it saves without loss.
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
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from lib_ti.embedding.card import draw_card
from lib_ti.embedding.limits import MAX_JSON_BYTES, MAX_PIXELS
from lib_ti.embedding.metadata import write_metadata
from lib_ti.embedding.pixel_columns import read_columns, write_columns
from lib_ti.embedding.stored import StoredTensor
from lib_ti.errors import InvalidEmbedding

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
        values = json.loads(payload, object_hook=_tensor)
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

    return StoredTensor(numbers.shape, load)


def _parse_metadata(text: object) -> dict[str, str]:
    try:
        values = json.loads(str(text))
    except (ValueError, RecursionError):
        return {}
    if not isinstance(values, dict) or not all(isinstance(value, str) for value in values.values()):
        return {}
    return values
