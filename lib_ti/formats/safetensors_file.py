"""Reading .safetensors: the header alone first, then only the tensors that are wanted, whatever the file's size."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from safetensors import SafetensorError, safe_open

from lib_ti.embedding.limits import MAX_HEADER_BYTES
from lib_ti.errors import InvalidEmbedding
from lib_ti.formats.stored import StoredTensor

if TYPE_CHECKING:
    import torch


def is_safetensors(start: bytes) -> bool:
    """`start`: the first bytes of a file, at least 9."""
    return start[8:9] == b"{"


def read_safetensors(path: Path) -> tuple[dict[str, StoredTensor], Mapping[str, str]]:
    """The tensors by key, still in the file, and the metadata. Raises InvalidEmbedding."""
    with path.open("rb") as file:
        length = int.from_bytes(file.read(8), "little")
    if length > MAX_HEADER_BYTES:
        raise InvalidEmbedding(
            f"The header says that it is {length} bytes long, more than the {MAX_HEADER_BYTES} that we read.",
            "The file is damaged, or no embedding.",
            str(path),
        )
    try:
        with safe_open(str(path), framework="numpy") as file:
            shapes = {key: tuple(file.get_slice(key).get_shape()) for key in file.keys()}  # noqa: SIM118 - not a dict
            return {key: _stored(path, key, shape) for key, shape in shapes.items()}, file.metadata() or {}
    except SafetensorError as error:
        raise _broken(path, error) from error


def _stored(path: Path, key: str, shape: tuple[int, ...]) -> StoredTensor:
    def load() -> torch.Tensor:
        try:
            with safe_open(str(path), framework="pt") as file:
                # The tensor lies in a map of the file, which must not outlive this block: Windows locks mapped files,
                # and a file that shrinks under its map takes the process with it.
                tensor: torch.Tensor = file.get_tensor(key).clone()
                return tensor
        except SafetensorError as error:
            raise _broken(path, error) from error

    return StoredTensor(shape, load)


def _broken(path: Path, error: SafetensorError) -> InvalidEmbedding:
    return InvalidEmbedding(f"This .safetensors file is damaged ({error}).", "Fetch or save it anew.", str(path))
