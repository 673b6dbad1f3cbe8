"""A tensor that still lies in its file. Torch comes in only when it is loaded, so that listing a folder stays cheap."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch


@dataclass(frozen=True)
class StoredTensor:
    """`load` gives the tensor in the file's own dtype; ask for it only once `shape` is found to be sane."""

    shape: tuple[int, ...]
    load: Callable[[], torch.Tensor]
