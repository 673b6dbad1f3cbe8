"""Prompts to what the UNet reads of them, through the WebUI's own text encoders, with gradients."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from lib_ti.adapters.restore import attributes_set
from lib_ti.host import PictureSize


def encode_prompts(sd_model: Any, prompts: Sequence[str], sizes: Sequence[PictureSize]) -> dict[str, Tensor]:
    """`crossattn` [B, T, D], and for SDXL `vector` [B, 2816]: the pooled output, then the sizes.

    A prompt with weights goes alone, as in the making of a picture: the WebUI levels the mean of all prompts of a call
    when one has weights.
    """
    if len(prompts) == 1 or not any(bracket in prompt for prompt in prompts for bracket in "(["):
        return _encode_together(sd_model, prompts, sizes)
    alone = [_encode_together(sd_model, [prompt], [size]) for prompt, size in zip(prompts, sizes, strict=True)]
    joined = {key: [row[key] for row in alone] for key in alone[0]}
    longest = max(context.shape[1] for context in joined["crossattn"])
    if any(context.shape[1] < longest for context in joined["crossattn"]):
        empty = _encode_together(sd_model, [""], sizes[:1])["crossattn"].detach()
        joined["crossattn"] = [_lengthen(context, empty, longest) for context in joined["crossattn"]]
    return {key: torch.cat(rows) for key, rows in joined.items()}


def _encode_together(sd_model: Any, prompts: Sequence[str], sizes: Sequence[PictureSize]) -> dict[str, Tensor]:
    conditioner = getattr(sd_model, "conditioner", None)
    if conditioner is None:
        return {"crossattn": sd_model.cond_stage_model(list(prompts))}
    from modules import devices, shared

    def rows(numbers: list[tuple[int, int]]) -> Tensor:
        return torch.tensor(numbers, dtype=torch.float32, device=devices.device)

    encoders = [part for part in conditioner.embedders if hasattr(part, "tokenize_line")]
    # Their weights are frozen all the same: "trainable" is the WebUI's word for running with gradients at all.
    with attributes_set(encoders, is_trainable=True, ucg_rate=0.0):
        batch = {
            "txt": list(prompts),
            "original_size_as_tuple": rows([(size.original_height, size.original_width) for size in sizes]),
            "crop_coords_top_left": rows([(size.crop_top, size.crop_left) for size in sizes]),
            "target_size_as_tuple": rows([(size.target_height, size.target_width) for size in sizes]),
            "aesthetic_score": torch.tensor(
                [[shared.opts.sdxl_refiner_high_aesthetic_score]] * len(sizes), device=devices.device
            ),
        }
        return dict(conditioner(batch))


def _lengthen(context: Tensor, empty: Tensor, length: int) -> Tensor:
    """As the WebUI does for the shorter prompt of a call: empty chunks follow."""
    return torch.cat([context, empty.repeat(1, (length - context.shape[1]) // empty.shape[1], 1)], dim=1)
