"""The UNet of a WebUI, whose layout all of them share, made fit for a backward pass."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from typing import Any

import torch
from torch import Tensor, nn


def predict(
    unet: Any, dtype: torch.dtype, noisy: Tensor, timesteps: Tensor, conditioning: Mapping[str, Tensor]
) -> Tensor:
    """The raw output, float32, of a UNet that runs in `dtype`, without what the last picture's extensions put into it."""
    read = {
        name: conditioning[key].to(dtype)
        for name, key in (("context", "crossattn"), ("y", "vector"))
        if key in conditioning
    }
    # A new dict each time: the UNet writes into it.
    output: Tensor = unet(noisy.to(dtype), timesteps.float(), **read, transformer_options={})
    return output.float()


def blocks_of(unet: Any) -> list[nn.Module]:
    return [*unet.input_blocks, unet.middle_block, *unet.output_blocks]


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
