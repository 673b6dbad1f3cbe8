"""Memory for time: what a part of a network keeps for the backward pass is computed again there."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from typing import Any

from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from lib_ti.adapters.restore import attributes_set


@contextmanager
def checkpointed(parts: Iterable[nn.Module]) -> Iterator[None]:
    """Of each part only the input is kept, and not what it computes of it, nor the weights that it casts."""
    with ExitStack() as stack:
        for part in parts:
            forward = partial(checkpoint, partial(_forward_of_copy, part.forward), use_reentrant=False)
            stack.enter_context(attributes_set([part], forward=forward))
        yield


def _forward_of_copy(forward: Callable[..., Any], read: Tensor, *args: Any, **kwargs: Any) -> Any:
    """Some parts add to what they read, in place; the second time they must read the same."""
    return forward(read.clone(), *args, **kwargs)
