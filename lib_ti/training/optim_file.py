"""A1111's `.optim` beside an embedding: AdamW's state, told to belong to it by a checksum of the vectors.

SD1 and SD2 only, as its trainer: one tensor, the optimizer's number 0.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from lib_ti.atomic import write_atomically
from lib_ti.embedding.limits import MAX_FILE_BYTES
from lib_ti.errors import InvalidEmbedding
from lib_ti.formats.stored import StoredTensor
from lib_ti.formats.torch_file import read_torch_file
from lib_ti.formats.writing import write_torch_zip

SUFFIX = ".optim"
_SHAPED = ("exp_avg", "exp_avg_sq")


def optim_path(embedding: Path) -> Path:
    return embedding.with_name(embedding.name + SUFFIX)


def checksum(vectors: torch.Tensor) -> str:
    """A1111's: 16 bits over the vectors in hundredths, cut to whole numbers. Close vectors share it."""
    sum_ = 0
    for value in (vectors.detach().float().reshape(-1) * 100).tolist():
        sum_ = (sum_ * 281 ^ int(value) * 997) & 0xFFFFFFFF
    return f"{sum_ & 0xFFFF:04x}"


def load_optim(path: Path, vectors: torch.Tensor) -> dict[int, dict[str, torch.Tensor]]:
    """AdamW's moments of `vectors` [V, D], as `RunState.moments` has them. Nothing in the file is executed.

    Raises InvalidEmbedding where the file is damaged or belongs to other vectors.
    """
    try:
        with path.open("rb") as file:
            saved = read_torch_file(file.read(MAX_FILE_BYTES))
    except OSError as error:
        raise InvalidEmbedding(f"It cannot be read: {error.strerror}.", where=str(path)) from error
    if not isinstance(saved, dict) or saved.get("hash") != checksum(vectors):
        raise InvalidEmbedding("It belongs to other vectors.", where=str(path))
    try:
        moments = saved["optimizer_state_dict"]["state"][0]
        found = {name: _load(moments[name]) for name in ("step", *_SHAPED)}
    except (KeyError, TypeError, ValueError, OverflowError) as error:
        raise InvalidEmbedding("It holds no state of AdamW.", where=str(path)) from error
    if any(found[name].shape != vectors.shape for name in _SHAPED) or found["step"].numel() != 1:
        raise InvalidEmbedding("Its moments have another shape than the vectors.", where=str(path))
    if not all(bool(torch.isfinite(tensor).all()) for tensor in found.values()) or bool(
        (found["exp_avg_sq"] < 0).any()
    ):
        raise InvalidEmbedding("Its moments are no numbers that AdamW gives.", where=str(path))
    return {0: found}


def save_optim(path: Path, optimizer_state: Mapping[str, Any], vectors: torch.Tensor) -> None:
    """So that A1111's trainer goes on with the moments of `vectors`. `optimizer_state` is AdamW's own `state_dict()`."""
    moments = {
        number: {key: value.detach().cpu() for key, value in one.items()}
        for number, one in optimizer_state["state"].items()
    }
    values = {"hash": checksum(vectors), "optimizer_state_dict": {**optimizer_state, "state": moments}}
    write_atomically(path, write_torch_zip(values))


def _load(value: Any) -> torch.Tensor:
    """Torch before 1.12 kept the step as a plain number."""
    tensor = value.load() if isinstance(value, StoredTensor) else torch.tensor(float(value))
    return tensor.float()
