"""The settings of a merge."""

from dataclasses import dataclass

from lib_ti.config.option import option
from lib_ti.config.train import FORMATS

OVER = ("refuse", "crop", "split")


@dataclass(frozen=True)
class MergeConfig:
    expression: str = option(
        "", "Expression", "What to merge, such as 'cat'*0.5 + 'dog'; words and embeddings in quotes.", required=True
    )
    name: str = option(
        "", "Name", "The word that stands for the embedding in prompts, and its file's name.", required=True
    )
    over: str = option(
        "refuse",
        "Over 75 vectors",
        "A prompt takes at most 75: refuse, crop, or split into NAME-1, NAME-2, ...",
        choices=OVER,
    )
    overwrite: bool = option(False, "Overwrite Old Embedding", "Replace an existing file of this name.")
    folder: str = option("", "Embeddings directory", "Where the file goes; empty is the host's own folder.")
    format: str = option("safetensors", "File format", "safetensors, or A1111's .pt (SD1 and SD2).", choices=FORMATS)
