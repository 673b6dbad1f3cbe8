"""A merge from its settings to its files."""

from collections.abc import Mapping
from pathlib import Path

from lib_ti.config.merge import MergeConfig
from lib_ti.embedding.embedding import Embedding
from lib_ti.embedding.name import check_name
from lib_ti.errors import EmbeddingExists, Fault, InvalidConfig
from lib_ti.expression.dictionary import Dictionary
from lib_ti.formats.files import save_embedding
from lib_ti.host import TextModel
from lib_ti.library.result import Made, tell_made
from lib_ti.merge.build import build_merge


def save_merge(
    host: TextModel,
    config: MergeConfig,
    folder: Path,
    embeddings: Mapping[str, Embedding],
    dictionary: Dictionary | None = None,
    library: Path | None = None,
) -> list[Made]:
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
    return [tell_made(part, path, host, library) for path, part in files.items()]
