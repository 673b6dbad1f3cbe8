"""What the API is asked for beyond the settings that the tab has too."""

from dataclasses import dataclass

from lib_ti.config.embeddings import MOST_TOKENS, ConvertConfig, LookConfig, RemakeConfig
from lib_ti.config.options import option
from lib_ti.errors import Fault

ACTIONS = ("stop", "pause", "continue", "save_now", "preview_now")


@dataclass(frozen=True)
class CheckRequest:
    expression: str = option("", "Expression", "What to check, such as 'cat'*0.5 + 'dog'.", required=True)


@dataclass(frozen=True)
class Source:
    """One of both."""

    file: str = option("", "Embedding file", "A file of the embeddings or the log folder.")
    typed: str = option(
        "", "Text or expression", "An expression, 'cat'*0.5 + 'dog', or a prompt: a photo of <'cat'*0.5 + 'dog'>."
    )

    def check(self) -> list[Fault]:
        if bool(self.file.strip()) == bool(self.typed.strip()):
            return [Fault("file", "give either file or typed")]
        return []


@dataclass(frozen=True)
class InspectRequest(LookConfig, Source):
    pass


@dataclass(frozen=True)
class HeatmapRequest(Source):
    dark: bool = option(False, "Dark", "Draw on a dark ground.")


@dataclass(frozen=True)
class DecomposeRequest(Source):
    most: int = option(4, "Tokens", "At most so many tokens a vector.", minimum=1, maximum=MOST_TOKENS)


@dataclass(frozen=True)
class _File:
    file: str = option("", "Embedding file", "A file of the embeddings or the log folder.", required=True)


@dataclass(frozen=True)
class ConvertRequest(ConvertConfig, _File):
    pass


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
