"""What a run trains: an embedding, and those that learn beside it."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from lib_ti.config.lines import EMBEDDINGS, FOLDERS, further
from lib_ti.config.options import option
from lib_ti.errors import Fault, InvalidConfig

NEGATIVES = ("off", "pair", "alone")
MARKS = ("name", "filewords")
"""What stands in brackets in prompts already."""


@dataclass(frozen=True)
class EmbeddingPart:
    """What is trained, and from where: a new embedding, a created one, or an earlier run."""

    name: str = option(
        "", "Embedding", "Its name: the word that stands for it in prompts, and its file's name.", required=True
    )
    vectors: int = option(
        1,
        "Number of vectors per token",
        "Rows of a new embedding; each takes one token of a prompt.",
        minimum=1,
        maximum=75,
    )
    init: str = option(
        "*",
        "Initialization text",
        "A new embedding starts as these words; best the plain word for what the pictures show.",
    )
    resume: bool = option(
        False, "Resume", "Go on from the newest copy of the last run; from nothing where there is none."
    )
    overwrite: bool = option(
        False, "Overwrite Old Embedding", "Start anew even though a trained embedding of this name exists."
    )
    more: str = option(
        "",
        "Further embeddings",
        "Trained in the same run, one a line: NAME; vectors=4; init=shape. [NAME] in templates and captions stands for each.",
        metavar="NAME",
        lines=2,
    )
    negative: str = option(
        "off",
        "Negative embedding",
        "pair: NAME-neg is trained with it, to stand in the negative prompt; alone: it is itself one for negative prompts, learned "
        "from pictures of what is not wanted.",
        choices=NEGATIVES,
    )

    def embeddings(self) -> tuple["EmbeddingPart", ...]:
        """One for each embedding of the run: of `more`, each has the vectors and the text of the first, but for what its line
        says; the second of a pair is NAME-neg.

        Raises InvalidConfig, at `embedding.more`.
        """
        first, others = replace(self, more=""), further(self, self.more, EMBEDDINGS, {"negative": "off"})
        if self.negative == "pair" and not others:
            others = [replace(first, name=self.in_negative, negative="off")]
        return (first, *others)

    @property
    def in_negative(self) -> str:
        """The name that stands in negative prompts, or ""."""
        return {"off": "", "pair": f"{self.name}-neg", "alone": self.name}[self.negative]

    @property
    def negative_prompt(self) -> str | None:
        """With which a pair is trained."""
        return self.in_negative if self.negative == "pair" else None

    @property
    def called(self) -> tuple[str, ...]:
        """The names that stand in the prompts of pictures."""
        names = tuple(one.name for one in self.embeddings())
        return names[:1] if self.negative == "pair" else names


def name_faults(embedding: EmbeddingPart, meant: Sequence[str]) -> list[Fault]:
    """Of the names of a run's embeddings; `meant` are those that the folders of the data set say, "" where one says none."""
    try:
        names = [one.name for one in embedding.embeddings()]
    except InvalidConfig as error:
        return list(error.faults)
    where, faults = EMBEDDINGS.where, []
    if embedding.negative == "alone" and len(names) > 1:
        faults.append(Fault(where, "a negative embedding alone is trained by itself", "leave it empty"))
    if embedding.negative == "pair" and names[1:] != [embedding.in_negative]:
        hint = f"leave it empty, or write {embedding.in_negative}; vectors=4; init=blurry"
        faults.append(Fault(where, "a pair is trained by itself", hint))
    faults += [Fault(where, f"{name} stands here twice") for name in sorted(set(names)) if names.count(name) > 1]
    if len(names) > 1:
        faults += [Fault(where, f"[{name}] means something else in prompts") for name in names if name in MARKS]
    for number, name in enumerate(meant):
        if name and name not in embedding.called:
            hint = f"there is {', '.join(embedding.called)}"
            faults.append(
                Fault(FOLDERS.where if number else "data.name", f"there is no embedding {name!r} in prompts", hint)
            )
    return faults
