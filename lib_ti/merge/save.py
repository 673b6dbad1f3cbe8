"""A merge from its settings to its files."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal, cast

from lib_ti.config.merge import MergeConfig
from lib_ti.embedding.embedding import Embedding
from lib_ti.embedding.files import save_embedding
from lib_ti.embedding.made import Made, tell_made
from lib_ti.embedding.name import check_name
from lib_ti.errors import EmbeddingExists, Fault, InvalidConfig
from lib_ti.expression.dictionary import Dictionary
from lib_ti.expression.parser import parse_expression
from lib_ti.host import TextModel
from lib_ti.merge.edits import collapse, drop_zero_rows, fit_to_chunk, mean_lengths, normalise, slerp
from lib_ti.merge.evaluate import build_embedding


def save_merge(
    host: TextModel,
    config: MergeConfig,
    folder: Path,
    embeddings: Mapping[str, Embedding],
    dictionary: Dictionary | None = None,
) -> list[Made]:
    """Several where the result is split. Nothing is written unless all can be.

    Raises InvalidConfig, InvalidText, InvalidEmbedding, EmbeddingExists.
    """
    check_name(config.name, "name")
    if config.format == "pt" and len(host.model().encoders) > 1:
        raise InvalidConfig([Fault("format", "SDXL has no .pt form", "take safetensors")])
    merged = build_edited(host, config, embeddings, dictionary)
    parts = fit_to_chunk(merged, cast(Literal["refuse", "crop", "split"], config.over))
    files = {folder / f"{part.name}.{config.format}": part for part in parts}
    for path in files:
        if path.exists() and not config.overwrite:
            raise EmbeddingExists(
                f"{path.name} exists already.", "Take another name, or ask for it to be overwritten.", str(path)
            )
    for path, part in files.items():
        save_embedding(part, path, config.overwrite)
    return [tell_made(part, path, host) for path, part in files.items()]


def build_edited(
    host: TextModel, config: MergeConfig, embeddings: Mapping[str, Embedding], dictionary: Dictionary | None = None
) -> Embedding:
    """The expression's result after the edits that are asked for, in the order of their settings; the recipe names them."""

    def build(text: str) -> Embedding:
        return build_embedding(parse_expression(text), config.name, host, embeddings, dictionary)

    merged = build(config.expression)
    vectors, edits = dict(merged.vectors), dict[str, Any]()
    if config.arc_to:
        vectors = slerp(vectors, build(config.arc_to).vectors, config.share)
        edits |= {"arc_to": config.arc_to, "share": config.share}
    if config.drop_zeros:
        vectors, edits["drop_zeros"] = drop_zero_rows(vectors), True
        if not len(next(iter(vectors.values()))):
            raise InvalidConfig([Fault("drop_zeros", "every vector is zero: none would be left", "keep them")])
    if config.collapse:
        vectors, edits["collapse"] = collapse(vectors), True
    if config.length:
        lengths = mean_lengths(host) if config.length < 0 else dict.fromkeys(vectors, config.length)
        vectors, edits["length"] = normalise(vectors, lengths), lengths
    return replace(merged, vectors=vectors, recipe={**merged.recipe, **({"edits": edits} if edits else {})})
