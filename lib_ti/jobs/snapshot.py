"""Everything a page shows of a job, folded from its events alone, so that a page may come, go and come back."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal, TypeVar

from lib_ti.events import (
    Event,
    Failed,
    Finished,
    Judged,
    Measured,
    Paused,
    Planned,
    PreviewReady,
    Resumed,
    Saved,
    Status,
    StepDone,
    Warned,
)
from lib_ti.jobs.history import History

State = Literal["idle", "planning", "running", "paused", "stopping", "finished", "stopped", "failed"]
OVER: tuple[State, ...] = ("finished", "stopped", "failed")

RECENT = 30
"""Updates from which speed and time to go are told."""
KEPT = 500
"""Entries kept of each log."""

Entry = TypeVar("Entry")


@dataclass(frozen=True)
class Snapshot:
    """`step` of `last_step` counts updates over all runs of the embedding; this run began after `first_step` of them.

    `before` is the job before this one, whose curve and previews go on here should this job resume its run.
    `fraction` (0 to 1) belongs to `status`, what the job is doing now; `recent` holds (images, seconds) of the latest updates.
    """

    job: int = 0
    name: str = ""
    state: State = "idle"
    status: str = ""
    fraction: float | None = None
    model: str = ""
    plan: tuple[str, ...] = ()
    run_folder: Path | None = None
    first_step: int = 0
    step: int = 0
    last_step: int = 0
    epoch: int = 0
    epoch_step: int = 0
    loss: float | None = None
    rate: float | None = None
    norms: dict[str, float] = field(default_factory=dict)
    history: History = field(default_factory=History)
    recent: tuple[tuple[int, float], ...] = ()
    measured: tuple[Measured, ...] = ()
    verdicts: tuple[Judged, ...] = ()
    previews: tuple[PreviewReady, ...] = ()
    saved: tuple[Saved, ...] = ()
    warnings: tuple[str, ...] = ()
    result: Path | None = None
    failure: Failed | None = None
    before: Snapshot | None = None

    @property
    def active(self) -> bool:
        return self.state != "idle" and self.state not in OVER

    @property
    def seconds_per_step(self) -> float | None:
        return sum(seconds for _, seconds in self.recent) / len(self.recent) if self.recent else None

    @property
    def images_per_second(self) -> float | None:
        seconds = sum(seconds for _, seconds in self.recent)
        return sum(images for images, _ in self.recent) / seconds if seconds > 0 else None

    @property
    def seconds_left(self) -> float | None:
        """From the pace of the latest updates, so pauses do not count; None before the first update and after the last."""
        pace = self.seconds_per_step
        return None if pace is None or not self.active else pace * max(0, self.last_step - self.step)


def _begun(snapshot: Snapshot, event: Planned) -> Snapshot:
    """What the job before shows goes on where it is that run which goes on."""
    resumes = snapshot.before and event.first_step and snapshot.before.run_folder == event.run_folder
    before = (snapshot.before if resumes else None) or Snapshot()
    return replace(
        snapshot,
        state="running",
        name=event.name or snapshot.name,
        model=event.model,
        plan=event.lines,
        run_folder=event.run_folder,
        first_step=event.first_step,
        step=event.first_step,
        last_step=event.last_step,
        history=before.history.until(event.first_step),
        measured=tuple(one for one in before.measured if one.step <= event.first_step),
        previews=tuple(preview for preview in before.previews if preview.step <= event.first_step),
        saved=tuple(saved for saved in before.saved if saved.step <= event.first_step),
        before=None,
    )


def fold(snapshot: Snapshot, event: Event) -> Snapshot:
    """The snapshot after `event`. The first end of a job is its end: what comes after is not shown."""
    if snapshot.state in OVER:
        return snapshot
    match event:
        case Status(text, fraction):
            return replace(snapshot, status=text, fraction=fraction)
        case Planned():
            return _begun(snapshot, event)
        case StepDone():
            return replace(
                snapshot,
                state="running",
                status="",
                fraction=None,
                step=event.step,
                last_step=event.last_step,
                epoch=event.epoch,
                epoch_step=event.epoch_step,
                loss=event.loss,
                rate=event.rate,
                norms=event.norms,
                history=snapshot.history.add(event),
                recent=_append(snapshot.recent, (event.images, event.seconds), RECENT),
            )
        case Measured():
            return replace(snapshot, status="", measured=_append(snapshot.measured, event))
        case Judged():
            return replace(snapshot, verdicts=_append(snapshot.verdicts, event))
        case PreviewReady():
            return replace(
                snapshot, previews=_append(tuple(p for p in snapshot.previews if p.path != event.path), event)
            )
        case Saved():
            return replace(snapshot, saved=_append(snapshot.saved, event))
        case Warned(text):
            return replace(snapshot, warnings=_append(snapshot.warnings, text))
        case Paused(_, reason):
            return replace(snapshot, state="paused", status=reason, fraction=None)
        case Resumed():
            return replace(snapshot, state="running", status="")
        case Finished(step, path, stopped):
            return replace(
                snapshot, state="stopped" if stopped else "finished", status="", fraction=None, step=step, result=path
            )
        case Failed():
            return replace(snapshot, state="failed", status="", fraction=None, failure=event)


def _append(entries: tuple[Entry, ...], entry: Entry, most: int = KEPT) -> tuple[Entry, ...]:
    return (*entries, entry)[-most:]
