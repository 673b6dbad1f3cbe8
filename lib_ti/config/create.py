"""The settings of a new embedding."""

from dataclasses import dataclass

from lib_ti.config.option import option
from lib_ti.config.train import FORMATS

SOURCES = ("text", "embedding", "zeros", "random")


@dataclass(frozen=True)
class CreateConfig:
    name: str = option(
        "", "Name", "The word that stands for the embedding in prompts, and its file's name.", required=True
    )
    source: str = option(
        "text",
        "Start from",
        "text: words; embedding: another file; zeros; random: drawn at the vocabulary's mean length.",
        choices=SOURCES,
    )
    init: str = option("*", "Initialization text", "The words to start from; their tokens are spread over the vectors.")
    file: str = option("", "Embedding file", "The file to start from, when starting from an embedding.")
    vectors: int = option(
        1,
        "Number of vectors per token",
        "Rows of the embedding; each takes one token of a prompt.",
        minimum=1,
        maximum=75,
    )
    overwrite: bool = option(False, "Overwrite Old Embedding", "Replace an existing file of this name.")
    folder: str = option("", "Embeddings directory", "Where the file goes; empty is the host's own folder.")
    format: str = option("safetensors", "File format", "safetensors, or A1111's .pt (SD1 and SD2).", choices=FORMATS)
    seed: int = option(0, "Seed", "Of the random start.", minimum=0)
