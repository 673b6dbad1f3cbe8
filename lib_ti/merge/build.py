"""A merge from its settings to its embeddings: the expression's result, then the edits in the order of their settings."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from typing import Any, Literal, cast

from lib_ti.config.merge import MergeConfig
from lib_ti.embedding.embedding import Embedding
from lib_ti.errors import Fault, InvalidConfig, InvalidText
from lib_ti.expression.dictionary import Dictionary
from lib_ti.expression.parser import parse_expression
from lib_ti.host import TextModel
from lib_ti.merge.edits import collapse, drop_zero_rows, fit_to_chunk, mean_lengths, normalise, slerp
from lib_ti.merge.evaluate import build_embedding


def build_merge(
    host: TextModel, config: MergeConfig, embeddings: Mapping[str, Embedding], dictionary: Dictionary | None = None
) -> list[Embedding]:
    """Several where the result is split. Raises InvalidConfig, InvalidText, and InvalidEmbedding where it is refused."""
    merged = build_edited(host, config, embeddings, dictionary)
    return fit_to_chunk(merged, cast(Literal["refuse", "crop", "split"], config.over))


def build_edited(
    host: TextModel, config: MergeConfig, embeddings: Mapping[str, Embedding], dictionary: Dictionary | None = None
) -> Embedding:
    """Of however many rows. The recipe holds all that it takes to build it again."""

    def build(text: str, where: str) -> Embedding:
        with _fault_of(where):
            return build_embedding(parse_expression(text), config.name, host, embeddings, dictionary)

    merged = build(config.expression, "expression")
    vectors, edits = dict(merged.vectors), dict[str, Any]()
    used = dict(merged.recipe.get("embeddings", {}))
    if config.arc_to:
        second = build(config.arc_to, "arc_to")
        vectors = slerp(vectors, second.vectors, config.share)
        edits |= {"arc_to": config.arc_to, "share": config.share}
        used |= second.recipe.get("embeddings", {})
    if config.drop_zeros:
        vectors, edits["drop_zeros"] = drop_zero_rows(vectors), True
        if not len(next(iter(vectors.values()))):
            raise InvalidConfig([Fault("drop_zeros", "every vector is zero: none would be left", "keep them")])
    if config.collapse:
        vectors, edits["collapse"] = collapse(vectors), True
    if config.length:
        lengths = mean_lengths(host) if config.length < 0 else dict.fromkeys(vectors, config.length)
        vectors, edits["length"] = normalise(vectors, lengths), config.length
    recipe = {**merged.recipe, **({"embeddings": used} if used else {}), **({"edits": edits} if edits else {})}
    return replace(merged, vectors=vectors, recipe=recipe)


@contextmanager
def _fault_of(where: str) -> Iterator[None]:
    """There are two expressions: a fault says which it is in."""
    try:
        yield
    except InvalidText as error:
        error.where = where
        raise
