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
    arc_to: str = option(
        "", "Second expression", "Go from the expression towards this one along an arc (slerp), row by row."
    )
    share: float = option(
        0.5, "Share of the second", "How far to go: 0 is the first, 1 the second.", minimum=0.0, maximum=1.0
    )
    drop_zeros: bool = option(False, "Drop zero vectors", "Leave out vectors that are zero in every encoder.")
    collapse: bool = option(False, "Collapse to one vector", "One vector, the mean of all.")
    length: float = option(
        0.0, "Vector length", "Give every vector this length; 0 leaves it, -1 is the vocabulary's mean.", minimum=-1.0
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
