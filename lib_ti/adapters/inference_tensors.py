"""Weights that were made or moved in torch's inference mode, in which WebUIs make their pictures: no gradient goes through them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from torch import Tensor, nn


def make_ordinary(modules: Iterable[nn.Module]) -> None:
    """Put ordinary copies in the place of inference tensors, one at a time; the values are the same. To be called outside
    of inference mode, at the start of a training and after each picture: the WebUI makes some anew."""
    copies: dict[int, Tensor] = {}  # by the original's id: one tensor may stand in two modules
    for root in modules:
        for module in root.modules():
            tables: tuple[dict[str, Any], ...] = (module._parameters, module._buffers)
            for table in tables:
                for name, tensor in table.items():
                    if tensor is not None and tensor.is_inference():
                        if id(tensor) not in copies:
                            copies[id(tensor)] = _copy(tensor)
                        table[name] = copies[id(tensor)]


def _copy(tensor: Tensor) -> Tensor:
    copy = tensor.detach().clone()
    return nn.Parameter(copy, requires_grad=tensor.requires_grad) if isinstance(tensor, nn.Parameter) else copy
