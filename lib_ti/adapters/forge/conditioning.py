"""Prompts to what the UNet reads of them, through Forge's own text encoders, with gradients."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any

import torch
from torch import Tensor

from lib_ti.adapters.forge.model import find_engines
from lib_ti.adapters.restore import attributes_set
from lib_ti.adapters.webui.encoding import encode_as_if_alone, pooled_let_go
from lib_ti.host import PictureSize


def encode_prompts(
    sd_model: Any, prompts: Sequence[str], sizes: Sequence[PictureSize], clip_skip: int
) -> dict[str, Tensor]:
    """`crossattn` [B, T, D], and for SDXL `vector` [B, 2816]: the pooled output, then the sizes."""

    def encode(prompts: Sequence[str], sizes: Sequence[PictureSize]) -> dict[str, Tensor]:
        # Forge wraps it in inference mode, which no gradient leaves.
        encoded = type(sd_model).get_learned_conditioning.__wrapped__(sd_model, list(prompts))
        if isinstance(encoded, Tensor):
            return {"crossattn": encoded}
        return {"crossattn": encoded["crossattn"], "vector": _with_sizes(sd_model, encoded["vector"], sizes)}

    with ExitStack() as stack:
        for engine in find_engines(sd_model):
            # Its emphasis holds on to the last prompt, and thereby to all that the gradient of one keeps.
            stack.enter_context(attributes_set([engine], clip_skip=engine.clip_skip, emphasis=engine.emphasis))
        sd_model.set_clip_skip(clip_skip)
        stack.enter_context(quiet(sd_model))
        stack.enter_context(pooled_let_go(find_engines(sd_model)))
        return encode_as_if_alone(encode, prompts, sizes)


@contextmanager
def quiet(sd_model: Any) -> Iterator[None]:
    """Nothing that Forge says about our prompts reaches the console, nor the infotext of the user's next picture."""
    from backend import args, memory_management

    owners = list({sys.modules[type(engine).__module__] for engine in find_engines(sd_model)})
    notes = [owner for owner in (*owners, args.dynamic_args) if hasattr(owner, "last_extra_generation_params")]
    with ExitStack() as stack:
        stack.enter_context(attributes_set([*owners, memory_management], print=lambda *texts, **options: None))
        stack.enter_context(attributes_set(notes, last_extra_generation_params={}))
        yield


def _with_sizes(sd_model: Any, vector: Tensor, sizes: Sequence[PictureSize]) -> Tensor:
    """Forge gives all prompts of a call one size; each picture has its own."""
    rows = [
        (s.original_height, s.original_width, s.crop_top, s.crop_left, s.target_height, s.target_width) for s in sizes
    ]
    numbers = torch.tensor(rows, dtype=torch.float32).flatten()
    embedded = sd_model.embedder(numbers).reshape(len(rows), -1).to(vector)
    return torch.cat([vector[:, : -embedded.shape[1]], embedded], dim=1)
