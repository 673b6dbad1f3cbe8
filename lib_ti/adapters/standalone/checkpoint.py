"""Reading checkpoint files: first their table of contents, later their weights. Never runs code out of a file."""

from __future__ import annotations

import hashlib
import pickle
import struct
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lib_ti.errors import UnsupportedModel
from lib_ti.reading import open_file, read_json

if TYPE_CHECKING:
    from torch import Tensor

PICKLES = (".ckpt", ".pt", ".pth", ".bin")
# All that torch's careful reader was seen to raise on bytes that are no honest pickle; it has no error type of its own.
_BROKEN_PICKLE = (
    pickle.UnpicklingError, struct.error, ArithmeticError, AssertionError, AttributeError, EOFError, LookupError,
    NotImplementedError, RuntimeError, TypeError, ValueError,
)  # fmt: skip
_LONGEST_HEADER = 100_000_000  # the limit of safetensors itself


@dataclass(frozen=True)
class Header:
    """A checkpoint without its weights: every tensor's shape by key, and the file's own notes."""

    shapes: Mapping[str, tuple[int, ...]]
    metadata: Mapping[str, str] = field(default_factory=dict)


def load_header(path: Path) -> Header:
    """Cheap for .safetensors; a pickle has to be gone through whole. Raises UnsupportedModel."""
    if path.suffix.lower() in PICKLES:
        return Header({key: tuple(getattr(value, "shape", ())) for key, value in _load_pickle(path).items()})
    if path.suffix.lower() != ".safetensors":
        raise UnsupportedModel(
            f"{path.name} is not a checkpoint that can be read here.",
            "Give a .safetensors or .ckpt file, a diffusers folder, demo or demo-xl.",
            where=str(path),
        )
    try:
        with open_file(path) as file:
            length = struct.unpack("<Q", file.read(8))[0]
            if length > _LONGEST_HEADER:
                raise ValueError("the header is too long")
            text = file.read(length)
            if len(text) < length:
                raise ValueError("the header is cut off")
            entries: dict[str, Any] = read_json(text)
        metadata = entries.pop("__metadata__", {})
        return Header({key: tuple(entry["shape"]) for key, entry in entries.items()}, metadata)
    except OSError as error:
        raise UnsupportedModel(f"{path.name} cannot be read: {error.strerror}.", where=str(path)) from error
    except (struct.error, ValueError, KeyError, TypeError, AttributeError) as error:
        raise UnsupportedModel(
            f"{path.name} is not a whole .safetensors file.", "Download or copy it again.", where=str(path)
        ) from error


def load_weights(path: Path) -> dict[str, Tensor]:
    """Every tensor by key, on the CPU, where possible still lying in the file. Raises UnsupportedModel."""
    if path.suffix.lower() not in PICKLES:
        from safetensors.torch import load_file

        with _weights_of(path):
            return load_file(path)  # type: ignore[no-any-return]
    from torch import Tensor

    return {key: value for key, value in _load_pickle(path).items() if isinstance(value, Tensor)}


def load_tensor(path: Path, key: str) -> Tensor:
    """One tensor, without reading the others where the format allows it."""
    if path.suffix.lower() in PICKLES:
        return load_weights(path)[key]
    from safetensors import safe_open

    with _weights_of(path), safe_open(path, framework="pt") as file:
        tensor: Tensor = file.get_tensor(key)
    return tensor


@contextmanager
def _weights_of(path: Path) -> Iterator[None]:
    """Whatever the library, or torch within it, has against a file becomes UnsupportedModel."""
    from safetensors import SafetensorError

    try:
        yield
    except SafetensorError as error:
        raise UnsupportedModel(
            f"{path.name} is not a whole .safetensors file.", "Download or copy it again.", where=str(path)
        ) from error
    except (AttributeError, LookupError, OSError, RuntimeError, TypeError, ValueError) as error:
        raise UnsupportedModel(
            f"{path.name} holds weights that cannot be loaded here: {str(error)[:200]}",
            "Take a copy of the model in float16, bfloat16 or float32.",
            where=str(path),
        ) from error


def _load_pickle(path: Path) -> dict[str, Any]:
    """What the file holds by name: tensors, and whatever else lies beside them."""
    import torch

    try:
        content = torch.load(path, map_location="cpu", weights_only=True, mmap=_is_zip(path))
    except _BROKEN_PICKLE as error:
        raise UnsupportedModel(
            f"{path.name} holds more than weights, or is broken, and was not opened: such files can run code.",
            "Use the model's .safetensors file instead, or convert it with a tool that you trust.",
            where=str(path),
        ) from error
    inner = content.get("state_dict", content) if isinstance(content, dict) else None
    return {str(key): value for key, value in inner.items()} if isinstance(inner, dict) else {}


def _is_zip(path: Path) -> bool:
    """torch's format since 1.6, which alone can stay in the file until it is needed."""
    with path.open("rb") as file:
        return file.read(2) == b"PK"


def short_hash(path: Path) -> str:
    """The first 10 hex digits of the file's SHA-256, as WebUIs show it."""
    return _hash(path, path.stat().st_mtime_ns)


@cache
def _hash(path: Path, changed: int) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()[:10]
