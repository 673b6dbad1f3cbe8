"""The page as it should be now, and what of it differs from what a browser already shows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path

from lib_ti.app import App
from lib_ti.errors import TIError
from lib_ti.ui import wording
from lib_ti.ui.actions import remake
from lib_ti.ui.html import album, render

PARTS = ("model", "progress", "curves", "preview", "strip", "plan", "log")

Shown = Mapping[str, str]
"""Part -> fingerprint of what a browser shows of it; empty for a page that was just opened."""
Chosen = tuple[int, Path]
"""The job and the file of the preview that a user chose to see large."""


@dataclass(frozen=True)
class View:
    """`parts`: HTML by name. `active` tells that a training runs, `preparing` that pictures are prepared, `remaking` that files
    are made again, each with the number of its job; `pause_label` what the pause button would do."""

    parts: dict[str, str]
    job: int
    active: bool
    pause_label: str
    preparation: int = 0
    preparing: bool = False
    remake: int = 0
    remaking: bool = False

    @property
    def fingerprints(self) -> dict[str, str]:
        about = {name: blake2b(html.encode(), digest_size=8).hexdigest() for name, html in self.parts.items()}
        about |= {"buttons": f"{self.active} {self.pause_label}", "ending": f"{self.job} {self.active}"}
        about |= {"preparing": f"{self.preparation} {self.preparing}", "remaking": f"{self.remake} {self.remaking}"}
        return about

    def changed(self, shown: Shown) -> set[str]:
        """The parts, and "buttons", "ending", "preparing" and "remaking" among them, that a browser does not show as they are now."""
        return {name for name, fingerprint in self.fingerprints.items() if shown.get(name) != fingerprint}


def view_of(app: App, chosen: Chosen | None = None) -> View:
    job = app.jobs.current
    snapshot, prepared, remade = app.jobs.snapshot, app.pictures.jobs.snapshot, app.library_job.jobs.snapshot
    paths = [(snapshot.job, preview.path) for preview in snapshot.previews]
    newest = len(paths) - 1
    large = paths.index(chosen) if chosen in paths else newest
    parts = {
        "model": _model(app),
        "progress": render.progress(snapshot),
        "curves": render.curves(snapshot),
        "preview": render.preview(snapshot.previews[large], large == newest) if paths else "",
        "strip": render.strip(snapshot.previews, large),
        "plan": render.plan(snapshot.plan, open_=not snapshot.history.points),
        "log": render.log(snapshot),
        "prepared": album.preparation(prepared),
        "remade": remake.library_job(remade, app.library_job.progress),
    }
    waiting = job is not None and snapshot.active and job.control.paused
    pause = wording.CONTINUE if waiting else wording.PAUSE
    return View(
        *(parts, snapshot.job, snapshot.active, pause, prepared.job, prepared.active, remade.job, remade.active)
    )


def choose(app: App, number: str) -> Chosen | None:
    """The preview of that number in the strip; None, which follows the newest, for the newest or no number of one."""
    snapshot = app.jobs.snapshot
    if number.isdecimal() and int(number) < len(snapshot.previews) - 1:
        return snapshot.job, snapshot.previews[int(number)].path
    return None


def _model(app: App) -> str:
    pending = app.pending_model()
    if pending:
        return render.pending_model_header(pending)
    try:
        return render.model_header(app.model())
    except TIError as error:
        return render.no_model_header(error.message)
