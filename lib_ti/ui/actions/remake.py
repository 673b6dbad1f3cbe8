"""What the buttons that make files again for the loaded model do, without gradio."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lib_ti.app import App
from lib_ti.config.embeddings import RemakeConfig
from lib_ti.config.tree import build_config
from lib_ti.errors import TIError
from lib_ti.jobs.snapshot import Snapshot
from lib_ti.library_job import Progress
from lib_ti.ui import wording
from lib_ti.ui.actions.train import Outcome, refused
from lib_ti.ui.html import render
from lib_ti.ui.html.escape import escape

if TYPE_CHECKING:
    from lib_ti.app import RemakeResult

MOST_NAMES = 20
"""Files named for one reason why they could not be made again."""


class RemakeActions:
    def __init__(self, app: App) -> None:
        self.app = app

    def one(self, file: str, values: Mapping[str, Any]) -> tuple[Outcome, Path | None]:
        """`file` as Inspect names it; and where its new form lies."""
        try:
            (done,) = self.app.remake([self.app.embeddings_folder() / file], build_config(RemakeConfig, values))
        except TIError as error:
            return refused(error, RemakeConfig), None
        if done.made is None:
            return Outcome(_faults([done])), None
        return Outcome(render.made([done.made], wording.MERGED_NEXT), good=True), done.made.path

    def start(self, typed: str, values: Mapping[str, Any]) -> Outcome:
        """All that the filter `typed` lets through and that are not of the loaded model, in a job of its own."""
        try:
            self.app.library_job.start(build_config(RemakeConfig, values), typed)
        except TIError as error:
            return refused(error, RemakeConfig)
        return Outcome(good=True)

    def stop(self) -> None:
        if self.app.library_job.jobs.current:
            self.app.library_job.jobs.current.control.stop()


def library_job(snapshot: Snapshot, progress: Progress) -> str:
    """How far the newest job is that makes files again, then what came of it; nothing where there was none."""
    if snapshot.state == "idle":
        return ""
    if snapshot.active:
        return _card(snapshot, progress)
    if snapshot.failure:
        return render.failure(snapshot.failure)
    return _summary(progress, snapshot.state == "stopped")


def _card(snapshot: Snapshot, progress: Progress) -> str:
    told = wording.REMAKE_PROGRESS.format(done=len(progress.done), total=progress.total) if progress.total else ""
    left = "" if progress.seconds_left is None else f"Time left <b>{render.duration(progress.seconds_left)}</b>"
    state = wording.STATES["stopping"] if snapshot.state == "stopping" else wording.REMAKING
    return (
        f'<section class="ti_lab_card ti_lab_progress"><div class="ti_lab_row"><span class="ti_lab_state running">{state}</span>'
        f'<b>{escape(snapshot.status)}</b><span class="ti_lab_count">{told}</span></div><div class="ti_lab_bar" '
        f'role="progressbar"><i style="width:{100 * (snapshot.fraction or 0):.2f}%"></i></div>'
        f'<div class="ti_lab_facts"><span>{left}</span></div></section>'
    )


def _summary(progress: Progress, stopped: bool) -> str:
    done = progress.done
    if not done and not stopped:
        return f'<p class="ti_lab_empty">{wording.REMAKE_NOTHING}</p>'
    made, faults = [one.made for one in done if one.made], [one for one in done if one.made is None]
    told = wording.REMAKE_DONE.format(made=len(made), faults=len(faults))
    if stopped:
        told += " " + wording.REMAKE_STOPPED.format(left=progress.total - len(done))
    noted = [(one.name, " ".join(one.notes)) for one in made if one.notes]
    notes = "".join(f"<p>{escape(name)}: {escape(words)}</p>" for name, words in noted[:MOST_NAMES])
    if len(noted) > MOST_NAMES:
        notes += f"<p>{wording.REMAKE_MORE.format(count=len(noted) - MOST_NAMES)}</p>"
    colour = "ti_lab_good" if made else "ti_lab_warning"
    return f'<section class="ti_lab_card"><p class="{colour}">{told}</p>{notes}{_faults(faults)}</section>'


def _faults(faults: Sequence[RemakeResult]) -> str:
    """By reason, with the files that it is true of."""
    if not faults:
        return ""
    names: dict[str, list[str]] = {}
    for one in faults:
        names.setdefault(one.fault, []).append(one.path.stem)
    items = "".join(f"<li><b>{escape(_listed(files))}:</b> {escape(reason)}</li>" for reason, files in names.items())
    return f'<div class="ti_lab_failure" role="alert"><ul>{items}</ul></div>'


def _listed(names: Sequence[str]) -> str:
    more = [wording.REMAKE_MORE.format(count=len(names) - MOST_NAMES)] if len(names) > MOST_NAMES else []
    return ", ".join([*names[:MOST_NAMES], *more])
