"""Routes that train."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

from fastapi import APIRouter
from fastapi.responses import FileResponse

from lib_ti.api.answers import FAILURE, LOG, PLAN, STATUS
from lib_ti.api.refusal import CONFLICT, NO_MODEL, UNKNOWN
from lib_ti.api.requests import ControlRequest
from lib_ti.api.schema import BODY, about
from lib_ti.api.values import NotFound, NotRunning, Values
from lib_ti.config.train import TrainConfig
from lib_ti.control import Control
from lib_ti.errors import faults_of
from lib_ti.jobs.job import Jobs

EXAMPLE = {
    "embedding": {"name": "my-cat", "vectors": 2, "init": "cat"},
    "data": {"folder": "my-cat-pictures", "template": "subject"},
    "optim": {"lr": "0.005:200, 1e-3", "steps": 1000},
}

CONTROLS = {
    "stop": Control.stop,
    "pause": Control.pause,
    "continue": Control.resume,
    "save_now": Control.save_now,
    "preview_now": Control.preview_now,
}


def add_training_routes(router: APIRouter, values: Values) -> None:
    app = values.app
    trains = partial(about, values, CONFLICT, NO_MODEL, body=TrainConfig, example=EXAMPLE)

    @router.post("/train/preflight", **trains(answer=PLAN))
    def preflight(given: dict[str, Any] = BODY) -> Any:
        """Validate settings and pictures without a step of training: what the run would do, or every fault at once."""
        plan = app.plan(values.build(TrainConfig, given))
        return PLAN.of(plan, lines=plan.lines(), pictures=len(plan.dataset.pictures), embedding=plan.path)

    @router.post("/train/start", **trains(answer=STATUS, status=202))
    def start(given: dict[str, Any] = BODY) -> Any:
        """Start a training, which goes on by itself; `embedding.resume` goes on from an earlier run."""
        config = values.build(TrainConfig, given)
        app.jobs.check_idle()
        outline = app.outline(config)  # what can be told without opening pictures is refused here, with its status
        app.start_training(outline)
        return status_answer(app.jobs)

    @router.get("/train/status", **about(values, answer=STATUS))
    def status(since: int = -1) -> Any:
        """How the run is going. `since`: only losses of later steps than this."""
        return status_answer(app.jobs, since)

    steers = about(values, CONFLICT, answer=STATUS, body=ControlRequest, example={"action": "pause"})

    @router.post("/train/control", **steers)
    def control(given: dict[str, Any] = BODY) -> Any:
        """Stop (which saves), pause, continue, save a copy or draw a preview, after the update in progress."""
        action = values.build(ControlRequest, given).action
        job = app.jobs.current
        if job is None or not job.active:
            raise NotRunning("No training is running.", "Start one first.")
        CONTROLS[action](job.control)
        return status_answer(app.jobs)

    @router.get("/train/log", **about(values, answer=LOG))
    def log() -> Any:
        """The plan, the warnings and the files of the run."""
        snapshot = app.jobs.snapshot
        failure = snapshot.failure
        return LOG.of(snapshot, settings=app.submitted, traceback=failure.details if failure else "")

    picture = "A preview of the run."

    @router.get("/train/preview", response_class=FileResponse, **about(values, UNKNOWN, picture=picture))
    def preview(step: int = -1) -> FileResponse:
        """The newest preview, or that of `step`."""
        found = [one.path for one in app.jobs.snapshot.previews if step in (-1, one.step)]
        if not found or not Path(found[-1]).is_file():
            raise NotFound("There is no such preview.", "GET train/log lists them.", "step")
        return FileResponse(found[-1], media_type="image/png")


def failure_answer(jobs: Jobs) -> dict[str, Any] | None:
    failure = jobs.snapshot.failure
    if failure is None or jobs.current is None:
        return None
    return FAILURE.of(failure, faults=faults_of(jobs.current.error))


def status_answer(jobs: Jobs, since: int = -1) -> dict[str, Any]:
    snapshot = jobs.snapshot
    return STATUS.of(
        snapshot,
        losses=[point for point in snapshot.history.points if point.step > since],
        measured=[one for one in snapshot.measured if one.step > since],
        verdicts=snapshot.verdicts,
        preview=snapshot.previews[-1] if snapshot.previews else None,
        failure=failure_answer(jobs),
    )
