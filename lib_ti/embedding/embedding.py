"""The value everything here is about: a few vectors for each text encoder of a model, and where they come from."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import torch

from lib_ti.embedding.digest import digest_vectors
from lib_ti.embedding.fit import match_encoders
from lib_ti.embedding.limits import MAX_ROWS, MAX_WIDTH
from lib_ti.errors import InvalidEmbedding
from lib_ti.host import Family, ModelInfo


@dataclass(frozen=True, eq=False)
class Embedding:
    """Vectors by text encoder, with what is known of how they came about. A value: to change one, make another by `replace`.

    Args:
        name: what prompts call it by.
        vectors: [V, D] by encoder (`clip_l`, `clip_h`, `clip_g`), of any dtype on any device; V is equal over encoders. They
            are copied to float32 on the CPU, so that a snapshot of a running training stays as it was.
        step: optimizer updates that went into it; 0 for one that is not trained.
        family: "sd1", "sd2" or "sdxl"; None where the file does not tell.
        model_name, model_hash: the checkpoint it was made on; the hash is the first 10 hex digits of the file's SHA-256.
        recipe: how it was made, in JSON's types; see `lib_ti.embedding.recipe`.
        token_tables: digests of the encoders' token tables, by encoder.
        created: ISO 8601; "" for now, once it is saved.
        notes: remarks for people on how it was read or made; they go into no file.

    Raises:
        InvalidEmbedding: there is no tensor, one is not 2-D, rows differ between encoders, or a number is not finite.

    Example:
        >>> cat = Embedding("my-cat", {"clip_l": torch.zeros(2, 768)}, family="sd1")
        >>> cat.rows, cat.widths
        (2, {'clip_l': 768})
    """

    name: str
    vectors: Mapping[str, torch.Tensor]
    step: int = 0
    family: Family | None = None
    model_name: str = ""
    model_hash: str = ""
    recipe: Mapping[str, Any] = field(default_factory=dict)
    token_tables: Mapping[str, str] = field(default_factory=dict)
    created: str = ""
    notes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if not self.vectors:
            raise InvalidEmbedding(f"The embedding {self.name!r} has no vectors.")
        vectors = {
            encoder: tensor.detach().to("cpu", torch.float32, copy=True).contiguous()
            for encoder, tensor in self.vectors.items()
        }
        for encoder, tensor in vectors.items():
            self._check(encoder, tensor)
        rows = {encoder: len(tensor) for encoder, tensor in vectors.items()}
        if len(set(rows.values())) > 1:
            counts = ", ".join(f"{encoder} has {count}" for encoder, count in rows.items())
            raise InvalidEmbedding(
                f"The embedding {self.name!r} has unequal numbers of vectors: {counts}.",
                "Such a file spoils every prompt it is used in; make it anew.",
            )
        object.__setattr__(self, "vectors", vectors)

    def _check(self, encoder: str, tensor: torch.Tensor) -> None:
        shape = "x".join(str(side) for side in tensor.shape)
        if tensor.ndim != 2 or not (1 <= tensor.shape[0] <= MAX_ROWS and 1 <= tensor.shape[1] <= MAX_WIDTH):
            raise InvalidEmbedding(
                f"The embedding {self.name!r} has a tensor of shape {shape or 'none'} for {encoder}.",
                f"Vectors x width is wanted: 1 to {MAX_ROWS} vectors, 1 to {MAX_WIDTH} wide.",
            )
        if not torch.isfinite(tensor).all():
            raise InvalidEmbedding(
                f"The embedding {self.name!r} holds numbers that are infinite or not numbers (NaN), in {encoder}.",
                "Its training has failed at some point; take an earlier copy.",
            )

    @property
    def rows(self) -> int:
        """V, the same for every encoder."""
        return len(next(iter(self.vectors.values())))

    @property
    def widths(self) -> dict[str, int]:
        """D by encoder."""
        return {encoder: tensor.shape[1] for encoder, tensor in self.vectors.items()}

    @property
    def digest(self) -> str:
        """16 hex digits that tell these vectors from any others."""
        return digest_vectors(self.vectors)

    def fit_to(self, model: ModelInfo) -> "Embedding":
        """The same with vectors named and ordered as `model` has its encoders. Raises InvalidEmbedding where it does not fit."""
        keys = match_encoders(self.name, self.family, self.widths, model)
        return replace(self, vectors={encoder: self.vectors[key] for encoder, key in keys.items()}, family=model.family)
