"""What the API answers, as /docs shows it."""

import math
from collections.abc import Iterable
from typing import Any

from pydantic import BaseModel, Field

from lib_ti.errors import faults_of


class Answer(BaseModel):
    # No docstring: pydantic 1 would show it in /docs for all that have none.
    def __init__(self, **values: Any) -> None:
        super().__init__(**sendable(values))


class EncoderAnswer(Answer):
    name: str = Field(description="clip_l, clip_h or clip_g.")
    width: int


class ModelAnswer(Answer):
    """The checkpoint that is loaded."""

    name: str
    short_hash: str = Field(description="First 10 digits of the file's SHA-256; empty where it is not known.")
    family: str = Field(description="sd1, sd2 or sdxl.")
    encoders: list[EncoderAnswer]
    prediction_type: str = Field(description="epsilon or v_prediction.")
    native_size: int = Field(description="Side in pixels of the pictures it was trained on.")


class ResultAnswer(Answer):
    """A file that was written."""

    file: str
    family: str | None
    vectors: int
    notes: list[str] = Field(description="What was left out, and what its name will surprise with in prompts.")


class AdviceAnswer(Answer):
    message: str
    hint: str


class CheckAnswer(Answer):
    """What an expression would give."""

    rows: int | None = Field(description="Vectors of the result; null where it cannot be read.")
    advice: list[AdviceAnswer]
    error: str = Field(description="Why it cannot be read, with a caret under the place; else empty.")
    span: list[int] | None = Field(description="From which character to which it cannot be read.")


class LineAnswer(Answer):
    first: int = Field(description="The first of its vectors, counted from 0.")
    vectors: int
    text: str
    tokens: list[int]


class FiguresAnswer(Answer):
    min: float | None
    max: float | None
    sum: float | None
    abs_sum: float | None
    length: float | None = Field(description="L2 length; of several vectors, the mean of theirs.")
    std: float | None


class NearestAnswer(Answer):
    token: int
    text: str
    cosine: float | None


class VectorAnswer(Answer):
    length: float | None
    too_long: bool = Field(description="Over 10 times as long as the vocabulary's mean: drowns its neighbours.")
    nearest: list[NearestAnswer]


class TableAnswer(Answer):
    encoder: str
    width: int
    vocabulary_length: float | None = Field(description="Mean L2 length of all tokens' vectors.")
    figures: list[FiguresAnswer] = Field(description="One for each line.")
    rows: list[VectorAnswer] = Field(description="One for each vector.")


class PairAnswer(Answer):
    cosine: float | None
    distance: float | None
    lengths: list[float | None]


class SameAnswer(Answer):
    same: bool
    largest: dict[str, float | None] = Field(description="Largest difference of the conditioning.")
    scale: dict[str, float | None] = Field(description="Its largest number, to measure that by.")


class InspectAnswer(Answer):
    title: str
    lines: list[LineAnswer]
    encoders: list[TableAnswer]
    notes: list[str]
    warnings: list[str]
    compared: dict[str, list[PairAnswer]] | None = Field(
        default=None, description="With `other`, vector by vector, by encoder."
    )
    same_as: SameAnswer | None = None


class DecomposeAnswer(Answer):
    expression: str = Field(description="To edit and merge again.")
    residuals: dict[str, list[float | None]] = Field(
        description="By encoder, the share of each vector's length that is left unexplained."
    )


class ConvertedAnswer(Answer):
    file: str
    notes: list[str] = Field(description="What was lost or assumed.")


class ConvertAnswer(Answer):
    written: list[ConvertedAnswer]
    faults: list[str] = Field(description="What of a bundle could not be converted.")


class LibraryEntry(Answer):
    file: str = Field(description="Path in the embeddings folder, as other requests take it.")
    name: str
    family: str
    vectors: int | None
    step: int | None
    date: str = Field(description="When it was made, else when its file was changed, ISO 8601.")
    made_on: str = Field(description="The model's name.")
    made_on_hash: str
    recipe: str = Field(description="How it was made, in a few words.")
    match: str | None = Field(description="For the loaded model: this, other (of its family), unknown or misfit.")
    thumbnail: bool
    namesakes: list[str] = Field(description="Other files of its name; prompts use only one of them.")
    fault: str = Field(description="Why it cannot be read; else empty.")


class LibraryAnswer(Answer):
    folder: str
    embeddings: list[LibraryEntry]


class HeaderAnswer(LibraryEntry):
    """All that is known of a file without its numbers."""

    layout: str
    widths: dict[str, int]
    recipe_full: dict[str, Any]
    token_tables: dict[str, str]
    notes: list[str]


class PlanAnswer(Answer):
    """What a training would do."""

    lines: list[str] = Field(description="The plan in words.")
    warnings: list[str]
    first_step: int
    last_step: int
    steps_per_epoch: int
    pictures: int
    embedding: str = Field(description="The file that it writes.")


class PointAnswer(Answer):
    step: int
    steps: int = Field(description="Updates that this point stands for; the last of them is `step`.")
    loss: float | None
    low: float | None
    high: float | None
    rate: float | None


class PreviewAnswer(Answer):
    step: int
    prompt: str
    seed: int
    file: str


class FaultAnswer(Answer):
    where: str = Field(description="A setting's dotted path, a file or a parameter.")
    message: str
    hint: str = ""


def fault_answers(error: BaseException | None) -> list[FaultAnswer]:
    return [FaultAnswer(where=fault.where, message=fault.message, hint=fault.hint) for fault in faults_of(error)]


class FailureAnswer(Answer):
    message: str
    hint: str
    expected: bool = Field(description="False for a bug, whose traceback is in the log.")
    faults: list[FaultAnswer] = Field(description="Every fault by its field or file, where there are such.")


class RemakeResultAnswer(Answer):
    file: str
    made: ResultAnswer | None = Field(description="Its new form.")
    fault: str = Field(description="Why there is none; else empty.")


class RemakeAnswer(Answer):
    """The making again that goes on, else the one that was last."""

    job: int = Field(description="Counts up with each job; 0 where there was none.")
    state: str = Field(description="idle, planning, stopping, finished, stopped or failed.")
    active: bool
    total: int = Field(description="Files to make; those of the loaded model already are passed over.")
    done: int
    seconds_left: float | None
    files: list[RemakeResultAnswer] = Field(description="Those that are done.")
    failure: FailureAnswer | None


class StatusAnswer(Answer):
    """The run that goes on, else the one that ran last."""

    job: int = Field(description="Counts up with each run; 0 where there was none.")
    name: str
    state: str = Field(description="idle, planning, running, paused, stopping, finished, stopped or failed.")
    active: bool
    status: str = Field(description="What it does now, such as encoding pictures.")
    fraction: float | None = Field(description="How far that is, 0 to 1.")
    model: str
    first_step: int = Field(description="Updates that were done before this run began.")
    step: int
    last_step: int
    epoch: int
    loss: float | None
    rate: float | None
    norms: dict[str, float | None] = Field(description="Mean L2 length of the vectors by encoder.")
    seconds_per_step: float | None
    images_per_second: float | None
    seconds_left: float | None
    losses: list[PointAnswer]
    preview: PreviewAnswer | None = Field(description="The newest; GET train/preview has the picture.")
    result: str | None = Field(description="The embedding's file, once it is saved.")
    failure: FailureAnswer | None


class SavedAnswer(Answer):
    step: int
    kind: str = Field(description="embedding, copy, state, preview or plot.")
    file: str


class LogAnswer(Answer):
    """What the run planned, warned of, wrote and drew."""

    job: int
    run_folder: str | None
    plan: list[str]
    warnings: list[str]
    saved: list[SavedAnswer]
    previews: list[PreviewAnswer]
    settings: dict[str, Any] = Field(description="What it was started with, by dotted path.")
    traceback: str = Field(description="Of a bug; else empty.")


def sendable(value: Any) -> Any:
    """With null for numbers that are not finite, and "?" for halves of characters, which names of files may hold: JSON has no
    words for them."""
    if isinstance(value, dict):
        return {sendable(key): sendable(inner) for key, inner in value.items()}
    if isinstance(value, (list, tuple)):
        return [sendable(inner) for inner in value]
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    return value.encode(errors="replace").decode() if isinstance(value, str) else value


def texts(paths: Iterable[Any]) -> list[str]:
    return [str(path) for path in paths]
