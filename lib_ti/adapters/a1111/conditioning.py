"""Prompts to what the UNet reads of them, through the WebUI's own text encoders, with gradients."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

import torch
from torch import Tensor

from lib_ti.adapters.a1111.model import find_encoders
from lib_ti.adapters.restore import attributes_set
from lib_ti.adapters.webui.encoding import encode_as_if_alone, pooled_let_go
from lib_ti.host import PictureSize


def encode_prompts(sd_model: Any, prompts: Sequence[str], sizes: Sequence[PictureSize]) -> dict[str, Tensor]:
    """`crossattn` [B, T, D], and for SDXL `vector` [B, 2816]: the pooled output, then the sizes."""
    wrappers = [encoder.wrapper for encoder in find_encoders(sd_model).values()]
    with pooled_let_go(wrappers):
        return encode_as_if_alone(partial(_encode_together, sd_model), prompts, sizes)


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
