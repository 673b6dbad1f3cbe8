"""The page as it should be now, and what of it differs from what a browser already shows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from hashlib import blake2b
from pathlib import Path

from lib_ti.app import App
from lib_ti.config.dataset import DatasetConfig
from lib_ti.config.describe import DescribeConfig
from lib_ti.config.embeddings import RemakeConfig
from lib_ti.config.options import labels
from lib_ti.config.train import TrainConfig
from lib_ti.errors import FaultList, TIError
from lib_ti.jobs.job import Jobs
from lib_ti.jobs.snapshot import Snapshot
from lib_ti.ui import wording
from lib_ti.ui.html import album, run
from lib_ti.ui.html.describe import description
from lib_ti.ui.html.markup import NOTHING, Html
from lib_ti.ui.html.remake import library_job

PARTS = ("model", "progress", "curves", "preview", "strip", "plan", "log")

Shown = Mapping[str, str]
"""Part -> fingerprint of what a browser shows of it; empty for a page that was just opened."""
Chosen = tuple[int, Path]
"""The job and the file of the preview that a user chose to see large."""


@dataclass(frozen=True)
class View:
    """`parts` by name. `active` says that a training runs, `preparing` that pictures are prepared, `remaking` that files are
    remade, `describing` that pictures are described, each with the number of its job; `pause_label` what the pause button would do."""

    parts: dict[str, Html]
    job: int
    active: bool
    pause_label: str
    preparation: int = 0
    preparing: bool = False
    remake: int = 0
    remaking: bool = False
    description: int = 0
    describing: bool = False

    @property
    def fingerprints(self) -> dict[str, str]:
        about = {name: blake2b(html.encode(), digest_size=8).hexdigest() for name, html in self.parts.items()}
        about |= {"buttons": f"{self.active} {self.pause_label}", "ending": f"{self.job} {self.active}"}
        about |= {"preparing": f"{self.preparation} {self.preparing}", "remaking": f"{self.remake} {self.remaking}"}
        about |= {"describing": f"{self.description} {self.describing}"}
        return about

    def changed(self, shown: Shown) -> set[str]:
        """The parts, and "buttons", "ending", "preparing", "remaking" and "describing" among them, that a browser does not show as they are now."""
        return {name for name, fingerprint in self.fingerprints.items() if shown.get(name) != fingerprint}


def view_of(app: App, chosen: Chosen | None = None) -> View:
    job = app.jobs.current
    snapshot = _snapshot(app.jobs, TrainConfig)
    preparation = _snapshot(app.pictures.jobs, DatasetConfig)
    remake = _snapshot(app.library_job.jobs, RemakeConfig)
    search = _snapshot(app.description_job.jobs, DescribeConfig)
    paths = [(snapshot.job, preview.path) for preview in snapshot.previews]
    newest = len(paths) - 1
    large = paths.index(chosen) if chosen in paths else newest
    parts = {
        "model": _model(app),
        "progress": run.progress(snapshot),
        "curves": run.curves(snapshot),
        "preview": run.preview(snapshot.previews[large], large == newest) if paths else NOTHING,
        "strip": run.strip(snapshot.previews, large),
        "plan": run.plan(snapshot.plan, open_=not snapshot.history.points),
        "log": run.log(snapshot),
        "preparation": album.preparation(preparation),
        "remake": library_job(remake, app.library_job.progress),
        "description": description(search, app.description_job.description),
    }
    waiting = job is not None and snapshot.active and job.control.paused
    return View(
        parts=parts,
        job=snapshot.job,
        active=snapshot.active,
        pause_label=wording.CONTINUE if waiting else wording.PAUSE,
        preparation=preparation.job,
        preparing=preparation.active,
        remake=remake.job,
        remaking=remake.active,
        description=search.job,
        describing=search.active,
    )


def choose(app: App, number: str) -> Chosen | None:
    """The preview of that number in the strip; None, which follows the newest, for the newest or no number of one."""
    snapshot = app.jobs.snapshot
    if number.isdecimal() and int(number) < len(snapshot.previews) - 1:
        return snapshot.job, snapshot.previews[int(number)].path
    return None


def _snapshot(jobs: Jobs, config: type) -> Snapshot:
    """Of the newest job; the settings that it failed for by their labels in `config`."""
    job = jobs.current
    if job is None:
        return Snapshot()
    snapshot, error, known = job.snapshot, job.error, labels(config)
    if snapshot.failure is None:
        return snapshot
    message = snapshot.failure.message
    if isinstance(error, FaultList):
        message = str(error.renamed(known))
    elif isinstance(error, TIError) and error.where in known:
        message = f"{known[error.where]}: {message.removeprefix(f'{error.where}: ')}"
    return replace(snapshot, failure=replace(snapshot.failure, message=message))


def _model(app: App) -> Html:
    pending = app.pending_model()
    if pending:
        return run.pending_model_header(pending)
    try:
        return run.model_header(app.model())
    except TIError as error:
        return run.no_model_header(error.message)
