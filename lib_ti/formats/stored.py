"""A tensor that still lies in its file. Torch comes in only when it is loaded, so that listing a folder stays cheap."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch

REAL = ("float64", "float32", "float16", "bfloat16", "float8_e4m3fn", "float8_e5m2")
"""Torch's names of the types that vectors may have. Each becomes float32 without loss, but for float64's last digits."""


@dataclass(frozen=True)
class StoredTensor:
    """`dtype` is torch's name, or the file's own where torch has none. `load` gives the tensor as it is in the file; ask for it
    only once `shape` and `dtype` are found to be sane."""

    shape: tuple[int, ...]
    dtype: str
    load: Callable[[], torch.Tensor]
