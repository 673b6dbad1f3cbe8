"""A merge from its settings to its files: the expression's result, the edits in the order of their settings, the saving."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal, cast

from lib_ti.config.embeddings import MergeConfig
from lib_ti.embedding.embedding import Embedding
from lib_ti.embedding.name import check_name
from lib_ti.errors import EmbeddingExists, Fault, InvalidConfig, InvalidText
from lib_ti.expression.evaluate import Dictionary
from lib_ti.expression.parser import parse_expression
from lib_ti.formats.files import save_embedding
from lib_ti.host import TextModel
from lib_ti.library.result import Result, report_result
from lib_ti.merge.edits import collapse, drop_zero_rows, fit_to_chunk, mean_lengths, normalise, slerp
from lib_ti.merge.vectors import build_embedding


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


def save_merge(
    host: TextModel,
    config: MergeConfig,
    folder: Path,
    embeddings: Mapping[str, Embedding],
    dictionary: Dictionary | None = None,
    library: Path | None = None,
) -> list[Result]:
    """Several where the result is split. Nothing is written unless all can be.

    Raises InvalidConfig, InvalidText, InvalidEmbedding, EmbeddingExists.
    """
    check_name(config.name, "name")
    if config.format == "pt" and len(host.model().encoders) > 1:
        raise InvalidConfig([Fault("format", "SDXL has no .pt form", "take safetensors")])
    parts = build_merge(host, config, embeddings, dictionary)
    files = {folder / f"{part.name}.{config.format}": part for part in parts}
    for path in files:
        if path.exists() and not config.overwrite:
            raise EmbeddingExists(
                f"{path.name} exists already.", "Take another name, or ask for it to be overwritten.", str(path)
            )
    for path, part in files.items():
        save_embedding(part, path, config.overwrite)
    return [report_result(part, path, host, library) for path, part in files.items()]
