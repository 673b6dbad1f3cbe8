"""What a backward pass needs of a host's networks, which are laid out for pictures alone."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from lib_ti.adapters.restore import attributes_set


def predict(
    unet: Any, dtype: torch.dtype, noisy: Tensor, timesteps: Tensor, conditioning: Mapping[str, Tensor]
) -> Tensor:
    """The raw output, float32, of a WebUI's UNet that runs in `dtype`, without what the last picture's extensions put into it."""
    read = {
        name: conditioning[key].to(dtype)
        for name, key in (("context", "crossattn"), ("y", "vector"))
        if key in conditioning
    }
    # A new dict each time: the UNet writes into it.
    output: Tensor = unet(noisy.to(dtype), timesteps.float(), **read, transformer_options={})
    return output.float()


def blocks_of(unet: Any) -> list[nn.Module]:
    """In the layout that the UNets of all WebUIs share."""
    return [*unet.input_blocks, unet.middle_block, *unet.output_blocks]


@contextmanager
def checkpointed(parts: Iterable[nn.Module]) -> Iterator[None]:
    """Memory for time: of each part only the input is kept, and not what it computes of it, nor the weights that it casts."""
    with ExitStack() as stack:
        for part in parts:
            forward = partial(checkpoint, partial(_forward_of_copy, part.forward), use_reentrant=False)
            stack.enter_context(attributes_set([part], forward=forward))
        yield


def _forward_of_copy(forward: Callable[..., Any], read: Tensor, *args: Any, **kwargs: Any) -> Any:
    """Some parts add to what they read, in place; the second time they must read the same."""
    return forward(read.clone(), *args, **kwargs)


@contextmanager
def norms_kept_whole(unet: nn.Module) -> Iterator[None]:
    """Layer norms read a copy: Forge's UNet adds to what they have read, in place, before the backward pass reads it again."""
    with ExitStack() as stack:
        for module in unet.modules():
            if isinstance(module, nn.LayerNorm):
                stack.callback(module.register_forward_pre_hook(_copy_input).remove)
        yield


def _copy_input(module: nn.Module, inputs: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
    return (inputs[0].clone(), *inputs[1:])


def make_ordinary(modules: Iterable[nn.Module]) -> None:
    """Put ordinary copies in the place of inference tensors, one at a time; the values are the same.

    No gradient goes through weights that were made or moved in torch's inference mode, in which WebUIs make their
    pictures. To be called outside of it, at the start of a training and after each picture: the WebUI makes some anew.
    """
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
