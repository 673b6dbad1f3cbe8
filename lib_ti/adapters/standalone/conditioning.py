"""What each family's UNet is told: which layers of which text encoders, and SDXL's pooled output and sizes.

sd1    clip_l, the last layer (or an earlier one by clip skip), final norm
sd2    clip_h, the last layer but one, final norm; its modules hold no further layer
sdxl   clip_l and clip_g side by side, each the last layer but one, no norm; pooled: clip_g's last layer, final norm,
       at the end token of the first chunk, through the text projection
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from lib_ti.adapters.standalone.prompts import EMPTY, Chunk, Names, parse_prompt
from lib_ti.adapters.standalone.text import TextEncoder, Vectors, weigh
from lib_ti.host import Conditioning, Family, PictureSize


class PromptEncoder:
    def __init__(self, family: Family, encoders: Sequence[TextEncoder]) -> None:
        self.family = family
        self.encoders = {encoder.name: encoder for encoder in encoders}

    def encode(
        self, prompts: Sequence[str], names: Names, vectors: Vectors, sizes: Sequence[PictureSize], clip_skip: int = 1
    ) -> Conditioning:
        """Float32 tensors with B rows: `context` [B, 77 K, D], K chunks the longest prompt's; SDXL `pooled` and `sizes`."""
        parsed = [parse_prompt(prompt, names) for prompt in prompts]
        longest = max(len(chunks) for chunks in parsed)
        chunks = [chunk for own in parsed for chunk in own + [EMPTY] * (longest - len(own))]
        if self.family == "sdxl":
            return self._encode_sdxl(chunks, longest, vectors, sizes)
        (encoder,) = self.encoders.values()
        skipped = clip_skip - 1 if self.family == "sd1" else 0
        hidden = encoder.finish(encoder.run(encoder.read(chunks, vectors), max(1, encoder.depth - skipped)))
        return Conditioning({"context": _concatenate(weigh(hidden, chunks), longest)})

    def _encode_sdxl(
        self, chunks: Sequence[Chunk], longest: int, vectors: Vectors, sizes: Sequence[PictureSize]
    ) -> Conditioning:
        parts = []
        for encoder in self.encoders.values():
            hidden = encoder.run(encoder.read(chunks, vectors), encoder.depth - 1)
            parts.append(weigh(hidden, chunks))
        first = hidden[::longest]  # clip_g's, which comes last
        ends = torch.tensor([chunk.end for chunk in chunks[::longest]], device=first.device)
        last = encoder.finish(encoder.run(first, encoder.depth, encoder.depth - 1))
        pooled = encoder.projection(last[torch.arange(len(ends), device=ends.device), ends])
        numbers = [
            (s.original_height, s.original_width, s.crop_top, s.crop_left, s.target_height, s.target_width)
            for s in sizes
        ]
        return Conditioning(
            {
                "context": _concatenate(torch.cat(parts, dim=-1), longest),
                "pooled": pooled,
                "sizes": torch.tensor(numbers, dtype=torch.float32, device=pooled.device),
            }
        )


def _concatenate(hidden: Tensor, chunks: int) -> Tensor:
    """[B K, 77, D] -> [B, 77 K, D]"""
    return hidden.reshape(-1, chunks * hidden.shape[1], hidden.shape[2])
