"""Batches of prompts and of pictures by a WebUI's own encoders."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from lib_ti.adapters.restore import attributes_set
from lib_ti.host import Latents, PictureSize

Encode = Callable[[Sequence[str], Sequence[PictureSize]], dict[str, Tensor]]


def encode_as_if_alone(encode: Encode, prompts: Sequence[str], sizes: Sequence[PictureSize]) -> dict[str, Tensor]:
    """`crossattn` [B, T, D], and for SDXL `vector` [B, 2816]: the pooled output, then the sizes.

    A prompt with weights goes alone, as in the making of a picture: the WebUI levels the mean of all prompts of a call
    when one has weights.
    """
    if len(prompts) == 1 or not any(bracket in prompt for prompt in prompts for bracket in "(["):
        return encode(prompts, sizes)
    alone = [encode([prompt], [size]) for prompt, size in zip(prompts, sizes, strict=True)]
    joined = {key: [row[key] for row in alone] for key in alone[0]}
    longest = max(context.shape[1] for context in joined["crossattn"])
    if any(context.shape[1] < longest for context in joined["crossattn"]):
        empty = encode([""], sizes[:1])["crossattn"].detach()
        joined["crossattn"] = [_lengthen(context, empty, longest) for context in joined["crossattn"]]
    return {key: torch.cat(rows) for key, rows in joined.items()}


def _lengthen(context: Tensor, empty: Tensor, length: int) -> Tensor:
    """As the WebUI does for the shorter prompt of a call: empty chunks follow."""
    return torch.cat([context, empty.repeat(1, (length - context.shape[1]) // empty.shape[1], 1)], dim=1)


@contextmanager
def pooled_let_go(wrappers: Iterable[Any]) -> Iterator[None]:
    """SDXL's pooled output hangs on the very tensor that it is computed of: a ring through the graph, which nothing would
    clear where no backward pass follows. `wrappers` are the WebUI's objects around its text encoders."""
    outputs: list[Tensor] = []

    def encode(original: Callable[[Any], Tensor], tokens: Any) -> Tensor:
        outputs.append(original(tokens))
        return outputs[-1]

    with ExitStack() as stack:
        for wrapper in wrappers:
            watched = partial(encode, wrapper.encode_with_transformers)
            stack.enter_context(attributes_set([wrapper], encode_with_transformers=watched))
        try:
            yield
        finally:
            for output in outputs:
                vars(output).pop("pooled", None)


@torch.no_grad()
def encode_images(vae: Any, scale: float, pixels: Tensor, device: torch.device) -> Latents:
    """`pixels`: [B, 3, H, W] in -1..1. In float32: SDXL's image encoder overflows in half precision."""
    means, stds = [], []
    with _in_float32(vae):
        for picture in pixels:
            mean, log_variance = _moments(vae, picture[None].to(device, torch.float32)).chunk(2, dim=1)
            means.append(mean * scale)
            stds.append(torch.exp(0.5 * log_variance.clamp(-30, 20)) * scale)
    return Latents(torch.cat(means), torch.cat(stds))


def _moments(vae: Any, picture: Tensor) -> Tensor:
    """Mean and log variance, [1, 2 C, h, w], caught on their way: most WebUIs' `encode` gives nothing but a sample."""
    caught: list[Tensor] = []
    handle = vae.quant_conv.register_forward_hook(lambda module, inputs, output: caught.append(output))
    try:
        vae.encode(picture)
    finally:
        handle.remove()
    return caught[0]


@contextmanager
def _in_float32(module: nn.Module) -> Iterator[None]:
    dtype = next(module.parameters()).dtype
    module.float()
    try:
        yield
    finally:
        module.to(dtype)
