"""The settings of what is done to embeddings: create, merge, remake for another model, convert, inspect."""

from dataclasses import dataclass
from typing import Literal, cast, get_args

from lib_ti.config.options import option
from lib_ti.config.train import FORMATS

STARTS = ("text", "embedding", "zeros", "random")


@dataclass(frozen=True)
class CreateConfig:
    """A new embedding: its name, what its rows begin as, and its file."""

    name: str = option(
        "", "Name", "The word that stands for the embedding in prompts, and its file's name.", required=True
    )
    source: str = option(
        "text",
        "Start from",
        "text: words; embedding: another file; zeros; random: drawn at the vocabulary's mean length.",
        choices=STARTS,
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


OVER = ("refuse", "crop", "split")


@dataclass(frozen=True)
class MergeConfig:
    """An expression, the edits of its result in the order of these fields, and its file."""

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


@dataclass(frozen=True)
class RemakeConfig:
    """Where files go that are made again for another model, and under which name."""

    name: str = option(
        "[name]", "Name", "[name] is the file's own name, [model] the loaded model's: [name]-[model].", required=True
    )
    overwrite: bool = option(
        False, "Overwrite Old Embedding", "Replace existing files of that name, such as the old ones themselves."
    )
    folder: str = option("", "Embeddings directory", "Where the files go; empty is where each one lies.")


Form = Literal["safetensors", "pt", "diffusers", "png"]
FORMS: tuple[Form, ...] = get_args(Form)
FAMILIES = ("", "sd1", "sdxl")


@dataclass(frozen=True)
class ConvertConfig:
    """Into which form and family files are brought, and where they go."""

    to: str = option(
        "safetensors",
        "Form",
        "safetensors; pt: A1111's; diffusers; png: a picture that carries it.",
        choices=FORMS,
        metavar="FORM",
    )
    folder: str = option("", "Folder", "Where the new files go; empty is the host's own folder.")
    family: str = option(
        "",
        "Family",
        "sdxl: SD1's clip_l, with clip_g zero or of the words for it; sd1: SDXL's clip_l alone.",
        choices=FAMILIES,
    )
    clip_g: str = option(
        "", "Words for clip_g", "Words for clip_g; needs family sdxl and an SDXL model.", metavar="TEXT"
    )
    overwrite: bool = option(False, "Overwrite", "Replace files that exist.")

    @property
    def form(self) -> Form:
        return cast(Form, self.to)

    @property
    def wanted_family(self) -> Literal["sd1", "sdxl"] | None:
        return cast(Literal["sd1", "sdxl"], self.family) if self.family else None


SOURCES = ("embedding", "typed")
Grouping = Literal["none", "comma", "parts", "words", "tokens", "vectors"]
GROUPINGS: tuple[Grouping, ...] = get_args(Grouping)
MOST_TOKENS = 32
"""That a vector is explained by."""


@dataclass(frozen=True)
class LookConfig:
    """What every face is asked of how something is looked at."""

    by: str = option(
        "vectors",
        "A line for each of",
        "none: all in one. Files know of vectors alone.",
        choices=GROUPINGS,
        metavar="GROUP",
    )
    nearest: int = option(
        5, "Nearest tokens", "How many of the nearest tokens to name for each vector.", minimum=0, maximum=100
    )
    other: str = option(
        "",
        "Compare with",
        "Another embedding, a path, or an expression in quotes; empty for none.",
        metavar="SOURCE",
    )
    same_as: str = option(
        "", "Same as this text?", "Asks the model whether both mean the same; empty for no.", metavar="TEXT"
    )

    @property
    def grouping(self) -> Grouping:
        return cast(Grouping, self.by)


@dataclass(frozen=True)
class InspectConfig(LookConfig):
    """What is looked at, and all that may be asked of it."""

    source: str = option("embedding", "Look at", "embedding: a file; typed: a text or an expression.", choices=SOURCES)
    file: str = option("", "Embedding", "One of the embeddings folder, or the path of any other file.")
    typed: str = option(
        "", "Text or expression", "An expression, 'cat'*0.5 + 'dog', or a prompt: a photo of <'cat'*0.5 + 'dog'>."
    )
    prompt: str = option(
        "[name]",
        "Prompt of both",
        "A prompt with [name], where the embedding and the text of --same-as are put.",
        metavar="TEXT",
    )
    decompose: int = option(
        0,
        "Explain by tokens",
        "Explain each vector by at most N tokens, as an expression to merge; 0 does not.",
        minimum=0,
        maximum=MOST_TOKENS,
    )
    dark: bool = option(False, "Dark", "Draw it on a dark ground.")
