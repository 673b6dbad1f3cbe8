"""Changes of finished vectors: [V, D] float32 by encoder in, new ones out."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Literal

import torch

from lib_ti.embedding.embedding import Embedding
from lib_ti.errors import InvalidEmbedding
from lib_ti.expression.limits import CHUNK_ROWS
from lib_ti.host import TextModel

Vectors = Mapping[str, torch.Tensor]


def mean_lengths(host: TextModel) -> dict[str, float]:
    """How long the vocabulary's vectors are on average, by encoder: what prompts are used to."""
    return {e.name: host.all_token_vectors(e.name).norm(dim=1).mean().item() for e in host.model().encoders}


def normalise(vectors: Vectors, lengths: Mapping[str, float]) -> dict[str, torch.Tensor]:
    """Every row made as long as `lengths` says of its encoder; rows of zeros stay."""
    return {
        encoder: torch.nn.functional.normalize(matrix, dim=1) * lengths[encoder] for encoder, matrix in vectors.items()
    }


def crop(vectors: Vectors, rows: int) -> dict[str, torch.Tensor]:
    return {encoder: matrix[:rows].clone() for encoder, matrix in vectors.items()}


def drop_zero_rows(vectors: Vectors) -> dict[str, torch.Tensor]:
    """Without the rows that are zero in every encoder, so that encoders keep equal rows."""
    used = torch.stack([matrix.any(dim=1) for matrix in vectors.values()]).any(dim=0)
    return {encoder: matrix[used] for encoder, matrix in vectors.items()}


def collapse(vectors: Vectors) -> dict[str, torch.Tensor]:
    """One row, the mean of all."""
    return {encoder: matrix.mean(dim=0, keepdim=True) for encoder, matrix in vectors.items()}


def lerp(first: Vectors, second: Vectors, share: float) -> dict[str, torch.Tensor]:
    """(1 - share) first + share second; the shorter is filled up with zero rows."""
    return {key: torch.lerp(a, b, share) for key, (a, b) in _aligned(first, second).items()}


def slerp(first: Vectors, second: Vectors, share: float) -> dict[str, torch.Tensor]:
    """Row by row along the arc between the directions, the length changing evenly from one to the other.

    sin((1 - s) w) / sin w a + sin(s w) / sin w b of unit rows at the angle w (Shoemake 1985); `lerp` for rows without an arc:
    zero, parallel or opposite.
    """
    return {key: _slerp(a, b, share) for key, (a, b) in _aligned(first, second).items()}


def fit_to_chunk(embedding: Embedding, over: Literal["refuse", "crop", "split"] = "refuse") -> list[Embedding]:
    """As embeddings that fit into a prompt: itself; or cut off; or NAME-1, NAME-2 … Raises InvalidEmbedding to refuse."""
    if embedding.rows <= CHUNK_ROWS:
        return [embedding]
    if over == "refuse":
        raise InvalidEmbedding(
            f"The embedding {embedding.name!r} has {embedding.rows} vectors; a prompt takes at most {CHUNK_ROWS}.",
            f"Crop it to {CHUNK_ROWS}, or split it into {embedding.name}-1, {embedding.name}-2 ...",
        )
    if over == "crop":
        recipe = {**embedding.recipe, "cropped": CHUNK_ROWS}
        return [replace(embedding, vectors=crop(embedding.vectors, CHUNK_ROWS), recipe=recipe)]
    pieces = zip(*(torch.split(matrix, CHUNK_ROWS) for matrix in embedding.vectors.values()), strict=True)
    parts = [dict(zip(embedding.vectors, piece, strict=True)) for piece in pieces]
    return [
        replace(
            embedding,
            name=f"{embedding.name}-{number}",
            vectors=part,
            recipe={**embedding.recipe, "part": f"{number} of {len(parts)}"},
        )
        for number, part in enumerate(parts, 1)
    ]


def _aligned(first: Vectors, second: Vectors) -> dict[str, tuple[torch.Tensor, torch.Tensor]]:
    """Both with equal rows. Raises InvalidEmbedding where they are of different families."""
    sizes = [{key: matrix.shape[1] for key, matrix in vectors.items()} for vectors in (first, second)]
    if sizes[0] != sizes[1]:
        one, other = (", ".join(f"{key} {width}" for key, width in size.items()) for size in sizes)
        raise InvalidEmbedding(
            f"The first embedding is for {one}, the second for {other}.", "Take two of one family, or convert one."
        )
    return {key: _filled(first[key], second[key]) for key in first}


def _filled(a: torch.Tensor, b: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    rows = max(len(a), len(b))
    filled = [torch.cat([matrix, matrix.new_zeros(rows - len(matrix), matrix.shape[1])]) for matrix in (a, b)]
    return filled[0], filled[1]


def _slerp(a: torch.Tensor, b: torch.Tensor, share: float) -> torch.Tensor:
    length_a, length_b = a.norm(dim=1, keepdim=True), b.norm(dim=1, keepdim=True)
    unit_a, unit_b = torch.nn.functional.normalize(a, dim=1), torch.nn.functional.normalize(b, dim=1)
    cosine = (unit_a * unit_b).sum(dim=1, keepdim=True).clamp(-1, 1)
    angle = cosine.acos()
    arc = (torch.sin((1 - share) * angle) * unit_a + torch.sin(share * angle) * unit_b) / torch.sin(angle)
    between = arc * torch.lerp(length_a, length_b, share)
    straight = (cosine.abs() > 1 - 1e-6) | (length_a == 0) | (length_b == 0)
    return torch.where(straight, torch.lerp(a, b, share), between)
