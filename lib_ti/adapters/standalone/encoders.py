"""Prompts to what the UNet reads of them, differentiable with respect to the embeddings in them; pictures to latents and back.

Each family's UNet reads other layers of other text encoders:

    sd1    clip_l, the last layer (or an earlier one by clip skip), final norm
    sd2    clip_h, the last layer but one, final norm; its modules hold no further layer
    sdxl   clip_l and clip_g side by side, each the last layer but one, no norm; pooled: clip_g's last layer, final norm,
           at the end token of the first chunk, through the text projection
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from PIL import Image
from torch import Tensor
from torch.nn import functional as F

from lib_ti.adapters.standalone.chunks import EMPTY, Chunk, Names, parse_prompt
from lib_ti.host import Conditioning, Family, Latents, PictureSize, Vectors


class TextEncoder:
    """One CLIP text tower. `padding` fills the tokens after the first end token.

    Its layers are walked here and not by transformers' own forward pass, which takes token ids alone and changes its
    signature between releases; the names of the modules are those of the weights and stay.
    """

    def __init__(self, name: str, module: Any, padding: int) -> None:
        self.name = name
        self.padding = padding
        self.core = getattr(module, "text_model", module)  # wrapped so before transformers 5, bare since
        self.projection: Any = getattr(module, "text_projection", None)

    @property
    def table(self) -> Tensor:
        """[vocabulary, D]"""
        table: Tensor = self.core.embeddings.token_embedding.weight
        return table

    def read(self, chunks: Sequence[Chunk], vectors: Vectors) -> Tensor:
        """What the first layer sees of N chunks: [N, 77, D], embeddings in their places, positions added."""
        device, dtype = self.table.device, self.table.dtype
        rows = F.embedding(self._ids(chunks).to(device), self.table)
        for name in sorted({entry.name for chunk in chunks for entry in chunk.insertions}):
            places = [(n, e.position, e.rows) for n, c in enumerate(chunks) for e in c.insertions if e.name == name]
            count = places[0][2]
            index_n = torch.tensor([n for n, _, _ in places for _ in range(count)], device=device)
            index_t = torch.tensor([start + i for _, start, _ in places for i in range(count)], device=device)
            vector = vectors[name][self.name].to(device, dtype)[:count]
            # expand, not index: its gradient is a sum in a fixed order, on every device
            values = vector.expand(len(places), *vector.shape).flatten(0, 1)
            rows = rows.index_put((index_n, index_t), values)
        placed: Tensor = rows + self.core.embeddings.position_embedding.weight
        return placed

    def run(self, hidden: Tensor, layers: int, first: int = 0) -> Tensor:
        """Through the layers `first` to `layers` (half open); [N, 77, D] in and out."""
        for layer in self.core.encoder.layers[first:layers]:
            hidden = hidden + _attention(layer.self_attn, layer.layer_norm1(hidden))
            hidden = hidden + layer.mlp(layer.layer_norm2(hidden))
        return hidden

    @property
    def depth(self) -> int:
        return len(self.core.encoder.layers)

    def finish(self, hidden: Tensor) -> Tensor:
        normed: Tensor = self.core.final_layer_norm(hidden)
        return normed

    def _ids(self, chunks: Sequence[Chunk]) -> Tensor:
        padded = [
            chunk.tokens[: chunk.end + 1] + (self.padding,) * (len(chunk.tokens) - chunk.end - 1) for chunk in chunks
        ]
        return torch.tensor(padded)


def _attention(attention: Any, hidden: Tensor) -> Tensor:
    def heads(projected: Tensor) -> Tensor:
        return projected.view(*projected.shape[:2], attention.num_heads, -1).transpose(1, 2)

    q, k, v = (heads(project(hidden)) for project in (attention.q_proj, attention.k_proj, attention.v_proj))
    mixed = F.scaled_dot_product_attention(q, k, v, is_causal=True)
    out: Tensor = attention.out_proj(mixed.transpose(1, 2).flatten(2))
    return out


def weigh(hidden: Tensor, chunks: Sequence[Chunk]) -> Tensor:
    """Multiply each token's state by its weight in attention brackets (the WebUI's "No norm"; 1 leaves it untouched)."""
    if all(weight == 1.0 for chunk in chunks for weight in chunk.weights):
        return hidden
    weights = torch.tensor([chunk.weights for chunk in chunks], device=hidden.device, dtype=hidden.dtype)
    return hidden * weights[..., None]


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


class ImageEncoder:
    """Always in float32: that of SDXL overflows in half precision."""

    def __init__(self, vae: Any, device: torch.device) -> None:
        self.vae = vae
        self.device = device
        self.scale: float = vae.config.scaling_factor

    @torch.no_grad()
    def encode(self, pixels: Tensor) -> Latents:
        """`pixels`: [B, 3, H, W] in -1..1. One at a time: little memory, and no picture depends on its neighbours."""
        self.recall()
        means, stds = [], []
        for picture in pixels[:, None]:
            normal = self.vae.encode(picture.to(self.device, torch.float32)).latent_dist
            means.append(normal.mean * self.scale)
            stds.append(normal.std * self.scale)
        return Latents(torch.cat(means), torch.cat(stds))

    @torch.no_grad()
    def decode(self, latents: Tensor) -> Image.Image:
        """`latents`: [1, C, h, w], scaled as the UNet has them."""
        self.recall()
        pixels = self.vae.decode(latents.to(self.device, torch.float32) / self.scale, return_dict=False)[0][0]
        bytes_ = ((pixels + 1) * 127.5).clamp(0, 255).round().to("cpu", torch.uint8)
        return Image.fromarray(bytes_.permute(1, 2, 0).numpy())

    def offload(self) -> None:
        self.vae.to("cpu")

    def recall(self) -> None:
        self.vae.to(self.device)

    @property
    def offloaded(self) -> bool:
        return bool(self.vae.device.type != self.device.type)
