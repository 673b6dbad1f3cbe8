"""Reading .safetensors: the header alone first, then only the tensors that are wanted, whatever the file's size.

The format is a length, a JSON header and the numbers. It is read here and not by its library, which answers to types of numbers
that it, or the torch beside it, does not know by errors of many kinds, for the whole file and differently in each version; and
which maps the file into memory: Windows locks mapped files, and a file that shrinks under its map takes the process with it.
"""

from __future__ import annotations

import math
import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lib_ti.embedding.limits import MAX_HEADER_BYTES
from lib_ti.errors import InvalidEmbedding
from lib_ti.formats.stored import StoredTensor
from lib_ti.reading import open_file, read_json

if TYPE_CHECKING:
    import torch

# The format's names of number types: torch's, and the bytes of one number.
_TYPES = {
    "F64": ("float64", 8),
    "F32": ("float32", 4),
    "F16": ("float16", 2),
    "BF16": ("bfloat16", 2),
    "F8_E4M3": ("float8_e4m3fn", 1),
    "F8_E5M2": ("float8_e5m2", 1),
}


def is_safetensors(start: bytes) -> bool:
    """`start`: the first bytes of a file, at least 9."""
    return start[8:9] == b"{"


def read_safetensors(path: Path) -> tuple[dict[str, StoredTensor], Mapping[str, str]]:
    """The tensors by key, still in the file, and the metadata. Raises InvalidEmbedding where it is damaged, and OSError.

    A tensor of numbers that are not read here has its place too, and cannot be loaded.
    """
    with open_file(path) as file:
        length = int.from_bytes(file.read(8), "little")
        if length > MAX_HEADER_BYTES:
            raise InvalidEmbedding(
                f"The header says that it is {length} bytes long, more than the {MAX_HEADER_BYTES} that we read.",
                "The file is damaged, or no embedding.",
                str(path),
            )
        start, size = 8 + length, os.fstat(file.fileno()).st_size
        text = file.read(length)
    try:
        if start > size:
            raise ValueError("it ends within its header")
        header = read_json(text)
        if not isinstance(header, dict):
            raise ValueError("its header is no table")
        return _read_tensors(path, header, start, size)
    except ValueError as error:
        reason = f"This .safetensors file is damaged ({str(error)[:200]})."
        raise InvalidEmbedding(reason, "Fetch or save it anew.", str(path)) from error


def _read_tensors(
    path: Path, header: dict[str, Any], start: int, size: int
) -> tuple[dict[str, StoredTensor], Mapping[str, str]]:
    """As the format demands, every byte behind the header belongs to one tensor. Raises ValueError."""
    metadata = header.pop("__metadata__", None)
    metadata = {} if metadata is None else metadata
    if not isinstance(metadata, dict) or not all(isinstance(text, str) for text in metadata.values()):
        raise ValueError("its metadata are not text by name")
    tensors: dict[str, StoredTensor] = {}
    places: list[tuple[int, int]] = []
    for key, entry in header.items():
        tensors[key], place = _read_entry(path, key, entry, start)
        places.append(place)
    end = start
    for begin, stop in sorted(places):
        if begin != end:
            raise ValueError("its tensors do not lie one behind the other")
        end = stop
    if end != size:
        raise ValueError(f"it has {size} bytes, and its header tells of {end}")
    return tensors, metadata


def _read_entry(path: Path, key: str, entry: Any, start: int) -> tuple[StoredTensor, tuple[int, int]]:
    """With where its numbers begin and end in the file."""
    fields = [entry.get(field) for field in ("dtype", "shape", "data_offsets")] if isinstance(entry, dict) else [None]
    match fields:
        case [str(dtype), [*shape], [begin, stop]] if all(type(n) is int and n >= 0 for n in (*shape, begin, stop)):
            pass
        case _:
            raise ValueError(f"what it says of the tensor {key[:40]!r} is not in order")
    name, item_bytes = _TYPES.get(dtype, (dtype, 0))
    count = math.prod(shape[:8])  # of more than 8 sides nothing is loaded
    if stop < begin or (item_bytes and len(shape) <= 8 and stop - begin != count * item_bytes):
        raise ValueError(f"the tensor {key[:40]!r} has another size than its shape says")

    def load() -> torch.Tensor:
        return _load(path, start + begin, stop - begin, name, tuple(shape))

    return StoredTensor(tuple(shape), name, load), (start + begin, start + stop)


def _load(path: Path, place: int, size: int, dtype: str, shape: tuple[int, ...]) -> torch.Tensor:
    import torch

    if not size or dtype not in (name for name, _ in _TYPES.values()):
        raise InvalidEmbedding(f"A tensor of the type {dtype!r} cannot be loaded.", where=str(path))
    with open_file(path) as file:
        file.seek(place)
        data = bytearray(file.read(size))
    if len(data) != size:
        raise InvalidEmbedding("The file has become shorter while it was read.", "Try again.", str(path))
    return torch.frombuffer(data, dtype=getattr(torch, dtype)).reshape(shape)
