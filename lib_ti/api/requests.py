"""What the API is asked for beyond the settings that the tab has too."""

from dataclasses import dataclass

from lib_ti.config.embeddings import GROUPINGS, RemakeConfig
from lib_ti.config.option import option
from lib_ti.errors import Fault

ACTIONS = ("stop", "pause", "continue", "save_now", "preview_now")
FORMS = ("safetensors", "pt", "diffusers", "png")


@dataclass(frozen=True)
class CheckRequest:
    expression: str = option("", "Expression", "What to check, such as 'cat'*0.5 + 'dog'.", required=True)


@dataclass(frozen=True)
class Source:
    """One of both."""

    file: str = option("", "Embedding file", "A file of the embeddings or the log folder.")
    typed: str = option(
        "", "Text or expression", "What begins with a quote is an expression: 'cat'*0.5 + 'dog'; else a plain text."
    )

    def check(self) -> list[Fault]:
        if bool(self.file.strip()) == bool(self.typed.strip()):
            return [Fault("file", "give either file or typed")]
        return []


@dataclass(frozen=True)
class InspectRequest(Source):
    by: str = option(
        "vectors", "A line for each of", "none: all in one. Files know of vectors alone.", choices=GROUPINGS
    )
    nearest: int = option(5, "Nearest tokens", "How many to name for each vector.", minimum=0, maximum=100)
    other: str = option("", "Compare with", "Another file of these folders, or an expression in quotes.")
    same_as: str = option("", "Same as this text?", "Asks the model whether both mean the same; empty for no.")


@dataclass(frozen=True)
class HeatmapRequest(Source):
    dark: bool = option(False, "Dark", "Draw on a dark ground.")


@dataclass(frozen=True)
class DecomposeRequest(Source):
    most: int = option(4, "Tokens", "At most so many tokens a vector.", minimum=1, maximum=32)


@dataclass(frozen=True)
class ConvertRequest:
    file: str = option("", "Embedding file", "A file of the embeddings or the log folder.", required=True)
    to: str = option(
        "safetensors", "Form", "pt: A1111's; diffusers; png: a picture that carries the embedding.", choices=FORMS
    )
    folder: str = option("", "Folder", "Where the new files go, in the embeddings folder; empty is that folder.")
    family: str = option(
        "",
        "Family",
        "sdxl: SD1's clip_l, clip_g zero or of words; sd1: SDXL's clip_l alone.",
        choices=("", "sd1", "sdxl"),
    )
    clip_g: str = option("", "Words for clip_g", "With family sdxl, while an SDXL model is loaded.")
    overwrite: bool = option(False, "Overwrite", "Replace files that exist.")


@dataclass(frozen=True)
class RemakeRequest(RemakeConfig):
    filter: str = option(
        "", "Filter", "Words that must all stand somewhere, as GET library takes them; empty: the whole library."
    )


@dataclass(frozen=True)
class StopRequest:
    action: str = option("", "Action", "Done after the file in progress.", choices=("stop",), required=True)


@dataclass(frozen=True)
class ControlRequest:
    action: str = option("", "Action", "Done after the update in progress.", choices=ACTIONS, required=True)
