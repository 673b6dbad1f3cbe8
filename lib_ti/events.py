"""What a run tells the world. A run calls `emit(event)`; CLI, tab and API only listen."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Status:
    """What the run is doing now, in words ("Encoding 12 pictures"), with how far it is, 0 to 1."""

    text: str
    fraction: float | None = None


@dataclass(frozen=True)
class Planned:
    """The preflight is done: what the run will do, before it does it. `lines` is for people."""

    name: str
    model: str
    first_step: int
    last_step: int
    lines: tuple[str, ...]
    run_folder: Path


@dataclass(frozen=True)
class StepDone:
    """One optimizer update. `step` counts true updates over all runs of the embedding: 1 after the first.

    `norms` holds the mean L2 length of the rows by encoder; `loss` is the mean unweighted squared error of the update.
    """

    step: int
    last_step: int
    epoch: int
    epoch_step: int
    loss: float
    rate: float
    norms: dict[str, float]
    images: int
    seconds: float


@dataclass(frozen=True)
class Measured:
    """The loss on fixed samples after update `step`; `score` is the same with timesteps balanced, by which the best is told.

    `held_out` tells that the pictures were not trained on; `images` is what it cost, in pictures learned from.
    """

    step: int
    loss: float
    score: float
    best_step: int
    held_out: bool
    images: float


@dataclass(frozen=True)
class Judged:
    """What the measurements of a run come to, in words: `kind` is "settled", "still learning", "memorising", "drowning" or
    "nothing learned"."""

    kind: str
    reason: str
    hint: str


@dataclass(frozen=True)
class PreviewReady:
    step: int
    path: Path
    prompt: str
    seed: int


@dataclass(frozen=True)
class Saved:
    """A file is whole on disk. `kind` is "embedding", "copy", "state", "preview" or "plot".

    Of a prepared data set it is "pictures" or "captions": `step` of them are in the folder `path`.
    """

    step: int
    path: Path
    kind: str


@dataclass(frozen=True)
class Warned:
    text: str


@dataclass(frozen=True)
class Paused:
    """`reason` is empty where the user asked for it; else what keeps the run from going on, and is tried again."""

    step: int
    reason: str = ""


@dataclass(frozen=True)
class Resumed:
    step: int


@dataclass(frozen=True)
class Finished:
    """The run is over and its embedding is saved, at `path`; None where the run was stopped before there was anything to save.
    `stopped` tells that the user ended it before its last step."""

    step: int
    path: Path | None
    stopped: bool = False


@dataclass(frozen=True)
class Failed:
    """The run is over with an error. `expected` is False for a bug, whose traceback is in `details`."""

    message: str
    hint: str = ""
    expected: bool = True
    details: str = ""


Event = (
    Status
    | Planned
    | StepDone
    | Measured
    | Judged
    | PreviewReady
    | Saved
    | Warned
    | Paused
    | Resumed
    | Finished
    | Failed
)
Emit = Callable[[Event], None]


def ignore(event: Event) -> None:
    """An `Emit` for callers who do not listen."""
