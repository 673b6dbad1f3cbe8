"""Prompts to conditioning through CLIP's layers, differentiable with respect to the embeddings in them.

The layers are walked here and not by transformers' own forward pass, which takes token ids alone and changes its
signature between releases; the names of the modules are those of the weights and stay.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from lib_ti.adapters.standalone.prompts import Chunk

Vectors = Mapping[str, Mapping[str, Tensor]]
"""By embedding name, then by encoder: [V, D]."""


class TextEncoder:
    """One CLIP text tower. `padding` fills the tokens after the first end token."""

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
