"""SD1 to SDXL and back. Both read prompts with `clip_l`; SDXL has `clip_g` beside it, which no SD1 embedding says anything about."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, Literal

import torch

from lib_ti.embedding.embedding import Embedding
from lib_ti.embedding.fit import FAMILY_TITLES
from lib_ti.errors import InvalidEmbedding
from lib_ti.host import Family

CLIP_G_WIDTH = 1280


@dataclass(frozen=True)
class ClipG:
    """A text for the second encoder; `vectors(V)` gives [V, D] that are made of it."""

    text: str
    vectors: Callable[[int], torch.Tensor]


def to_family(embedding: Embedding, family: Literal["sd1", "sdxl"], clip_g: ClipG | None = None) -> Embedding:
    """As it is where it is of that family already. Without `clip_g` a new second encoder's vectors are zero.

    Raises InvalidEmbedding for SD2 and what is unknown.
    """
    if embedding.family == family:
        return embedding
    if family == "sd1":
        note = "clip_g is left out: half of what the embedding says is lost."
        return _converted(embedding, "sdxl", family, {"clip_l": _clip_l(embedding, "sdxl")}, note)
    clip_l = _clip_l(embedding, "sd1")
    if clip_g is None:
        second = torch.zeros(embedding.rows, CLIP_G_WIDTH)
        note = "clip_g is zero: SDXL's second encoder learns nothing from this embedding."
    else:
        second = clip_g.vectors(embedding.rows)
        note = f"clip_g is made of the text {clip_g.text!r}; clip_l is the SD1 embedding's."
    return _converted(embedding, "sd1", family, {"clip_l": clip_l, "clip_g": second}, note)


def _clip_l(embedding: Embedding, family: Family) -> torch.Tensor:
    wanted = {"sd1": {"clip_l"}, "sdxl": {"clip_l", "clip_g"}}[family]
    if set(embedding.vectors) != wanted or embedding.family not in (None, family):
        have = FAMILY_TITLES[embedding.family] if embedding.family else " and ".join(embedding.vectors)
        raise InvalidEmbedding(
            f"The embedding {embedding.name!r} is for {have}; this conversion needs one for {FAMILY_TITLES[family]}.",
            "Only SD1 and SDXL share an encoder.",
        )
    return embedding.vectors["clip_l"]


def _converted(
    embedding: Embedding, old: Family, new: Family, vectors: dict[str, torch.Tensor], note: str
) -> Embedding:
    """At step 0, for as a whole it is not trained: a training begins with it rather than going on from it."""
    recipe: dict[str, Any] = {"source": "conversion", "from": FAMILY_TITLES[old], "step": embedding.step, "note": note}
    if embedding.recipe:
        recipe["recipe"] = dict(embedding.recipe)
    tables = {key: value for key, value in embedding.token_tables.items() if key == "clip_l"}
    return replace(
        embedding,
        vectors=vectors,
        family=new,
        step=0,
        recipe=recipe,
        token_tables=tables,
        notes=(*embedding.notes, note),
    )
