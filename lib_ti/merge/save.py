"""A merge from its settings to its files."""

from collections.abc import Mapping
from pathlib import Path
from typing import Literal, cast

from lib_ti.config.merge import MergeConfig
from lib_ti.embedding.embedding import Embedding
from lib_ti.embedding.files import save_embedding
from lib_ti.embedding.name import check_name
from lib_ti.errors import EmbeddingExists, Fault, InvalidConfig
from lib_ti.expression.dictionary import Dictionary
from lib_ti.expression.parser import parse_expression
from lib_ti.host import TextModel
from lib_ti.merge.edits import fit_to_chunk
from lib_ti.merge.evaluate import build_embedding


def save_merge(
    host: TextModel,
    config: MergeConfig,
    folder: Path,
    embeddings: Mapping[str, Embedding],
    dictionary: Dictionary | None = None,
) -> list[Path]:
    """The files' paths; several where the result is split. Nothing is written unless all can be.

    Raises InvalidConfig, InvalidText, InvalidEmbedding, EmbeddingExists.
    """
    check_name(config.name, "name")
    if config.format == "pt" and len(host.model().encoders) > 1:
        raise InvalidConfig([Fault("format", "SDXL has no .pt form", "take safetensors")])
    merged = build_embedding(parse_expression(config.expression), config.name, host, embeddings, dictionary)
    parts = fit_to_chunk(merged, cast(Literal["refuse", "crop", "split"], config.over))
    files = {folder / f"{part.name}.{config.format}": part for part in parts}
    for path in files:
        if path.exists() and not config.overwrite:
            raise EmbeddingExists(
                f"{path.name} exists already.", "Take another name, or ask for it to be overwritten.", str(path)
            )
    for path, part in files.items():
        save_embedding(part, path, config.overwrite)
    return list(files)
