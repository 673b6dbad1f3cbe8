"""A new embedding: from words, another embedding, zeros or at random."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from lib_ti.config.embeddings import CreateConfig
from lib_ti.embedding.digest import digest_token_tables
from lib_ti.embedding.embedding import Embedding
from lib_ti.embedding.name import check_name
from lib_ti.errors import EmbeddingExists, Fault, InvalidConfig
from lib_ti.formats.files import load_embedding
from lib_ti.host import TextModel


def initial_vectors(host: TextModel, init_text: str, vectors: int, where: str = "init") -> dict[str, torch.Tensor]:
    """[V, D] by encoder: the token vectors of `init_text`, spread over V rows by `spread`. Raises InvalidConfig at `where`."""
    ids = spread(_token_ids(host, init_text, where), vectors)
    return {encoder.name: host.token_vectors(ids, encoder.name) for encoder in host.model().encoders}


def spread(items: list[int], count: int) -> list[int]:
    """`count` of the n `items`: number i is item i n // count, A1111's rule. Fewer repeat, more are thinned out.

    (A1111 on SD1 alone first cuts to `count` items; SD2's encoder and the rule itself do not.)
    """
    return [items[i * len(items) // count] for i in range(count)]


def create_embedding(host: TextModel, config: CreateConfig) -> Embedding:
    """Raises InvalidConfig by field, InvalidEmbedding where the file to start from does not fit the model."""
    model = host.model()
    recipe: dict[str, Any] = {"source": config.source, "vectors": config.vectors}
    notes: tuple[str, ...] = ()
    vectors: Mapping[str, torch.Tensor]
    match config.source:
        case "text":
            vectors = initial_vectors(host, config.init, config.vectors)
            ids = _token_ids(host, config.init, "init")
            recipe |= {"init": config.init, "tokens": spread(ids, config.vectors)}
            if len(ids) > config.vectors:
                left = " ".join(
                    host.token_text(ids[i]).removesuffix("</w>") for i in _left_out(len(ids), config.vectors)
                )
                notes = (f"The text has {len(ids)} tokens for {config.vectors} vectors; left out: {left}.",)
        case "embedding":
            if not config.file:
                raise InvalidConfig(
                    [Fault("file", "a file to start from is missing", "choose one, or start from text")]
                )
            source = load_embedding(Path(config.file)).fit_to(model)
            rows = spread(list(range(source.rows)), config.vectors)
            vectors = {encoder: tensor[rows] for encoder, tensor in source.vectors.items()}
            recipe |= {"file": Path(config.file).name, "rows": rows}
            if source.rows > config.vectors:
                notes = (f"The file has {source.rows} vectors; taken: {', '.join(str(row + 1) for row in rows)}.",)
        case "zeros":
            vectors = {encoder.name: torch.zeros(config.vectors, encoder.width) for encoder in model.encoders}
        case "random":
            vectors = _random_vectors(host, config.vectors, config.seed)
            recipe["seed"] = config.seed
        case other:
            raise AssertionError(other)  # the config has checked it
    return Embedding(
        config.name,
        vectors,
        family=model.family,
        model_name=model.name,
        model_hash=model.short_hash,
        recipe=recipe,
        token_tables=digest_token_tables(host),
        notes=notes,
    )


def new_embedding_path(folder: Path, config: CreateConfig, host: TextModel) -> Path:
    """Where the new embedding goes. Raises InvalidConfig, and EmbeddingExists unless it may be overwritten."""
    check_name(config.name, "name")
    if config.format == "pt" and len(host.model().encoders) > 1:
        raise InvalidConfig([Fault("format", "SDXL has no .pt form", "take safetensors")])
    path = folder / f"{config.name}.{config.format}"
    if path.exists() and not config.overwrite:
        raise EmbeddingExists(
            f"{path.name} exists already.", "Take another name, or ask for it to be overwritten.", str(path)
        )
    return path


def _token_ids(host: TextModel, text: str, where: str) -> list[int]:
    ids = host.tokenize(text)
    if not ids:
        raise InvalidConfig([Fault(where, "the text to start from is empty", "write a word; * is A1111's default")])
    return ids


def _left_out(count: int, vectors: int) -> list[int]:
    return sorted(set(range(count)) - set(spread(list(range(count)), vectors)))


def _random_vectors(host: TextModel, vectors: int, seed: int) -> dict[str, torch.Tensor]:
    """Directions drawn evenly, each as long as the token vectors are on average. A generator of its own: nothing else moves."""
    generator = torch.Generator().manual_seed(seed)
    drawn = {}
    for encoder in host.model().encoders:
        length = host.all_token_vectors(encoder.name).norm(dim=1).mean()
        directions = torch.randn(vectors, encoder.width, generator=generator)
        drawn[encoder.name] = directions / directions.norm(dim=1, keepdim=True) * length
    return drawn
