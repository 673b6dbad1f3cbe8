"""Routes that train."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from fastapi import APIRouter
from fastapi.responses import FileResponse

from lib_ti.api.answers import (
    FailureAnswer,
    LogAnswer,
    PlanAnswer,
    PointAnswer,
    PreviewAnswer,
    SavedAnswer,
    StatusAnswer,
    fault_answers,
)
from lib_ti.api.refusal import CONFLICT, NO_MODEL, UNKNOWN
from lib_ti.api.requests import ControlRequest
from lib_ti.api.schema import BODY, about
from lib_ti.api.values import NotFound, NotRunning, Values
from lib_ti.config.train import TrainConfig
from lib_ti.control import Control
from lib_ti.events import PreviewReady
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
    trains = about(values, CONFLICT, NO_MODEL, body=TrainConfig, example=EXAMPLE)

    @router.post("/train/preflight", **trains)
    def preflight(given: dict[str, Any] = BODY) -> PlanAnswer:
        """Prove settings and pictures without a step of training: what the run would do, or every fault at once."""
        plan = app.plan(values.build(TrainConfig, given))
        return PlanAnswer(
            lines=list(plan.lines()),
            warnings=list(plan.warnings),
            first_step=plan.first_step,
            last_step=plan.last_step,
            steps_per_epoch=plan.steps_per_epoch,
            pictures=len(plan.dataset.pictures),
            embedding=str(plan.path),
        )

    @router.post("/train/start", status_code=202, **trains)
    def start(given: dict[str, Any] = BODY) -> StatusAnswer:
        """Start a training, which goes on by itself; `embedding.resume` goes on from an earlier run."""
        config = values.build(TrainConfig, given)
        app.jobs.check_idle()
        outline = app.outline(config)  # what can be told without opening pictures is refused here, with its status
        app.start_training(outline)
        return status_answer(app.jobs)

    @router.get("/train/status", **about(values))
    def status(since: int = -1) -> StatusAnswer:
        """How the run is going. `since`: only losses of later steps than this."""
        return status_answer(app.jobs, since)

    @router.post("/train/control", **about(values, CONFLICT, body=ControlRequest, example={"action": "pause"}))
    def control(given: dict[str, Any] = BODY) -> StatusAnswer:
        """Stop (which saves), pause, continue, save a copy or draw a preview, after the update in progress."""
        action = values.build(ControlRequest, given).action
        job = app.jobs.current
        if job is None or not job.active:
            raise NotRunning("No training is running.", "Start one first.")
        CONTROLS[action](job.control)
        return status_answer(app.jobs)

    @router.get("/train/log", **about(values))
    def log() -> LogAnswer:
        """The plan, the warnings and the files of the run."""
        snapshot = app.jobs.snapshot
        return LogAnswer(
            job=snapshot.job,
            run_folder=str(snapshot.run_folder) if snapshot.run_folder else None,
            plan=list(snapshot.plan),
            warnings=list(snapshot.warnings),
            saved=[SavedAnswer(step=one.step, kind=one.kind, file=str(one.path)) for one in snapshot.saved],
            previews=[preview_answer(one) for one in snapshot.previews],
            settings=app.submitted,
            traceback=snapshot.failure.details if snapshot.failure else "",
        )

    picture = "A preview of the run."

    @router.get("/train/preview", response_class=FileResponse, **about(values, UNKNOWN, picture=picture))
    def preview(step: int = -1) -> FileResponse:
        """The newest preview, or that of `step`."""
        found = [one.path for one in app.jobs.snapshot.previews if step in (-1, one.step)]
        if not found or not Path(found[-1]).is_file():
            raise NotFound("There is no such preview.", "GET train/log lists them.", "step")
        return FileResponse(found[-1], media_type="image/png")


def preview_answer(preview: PreviewReady) -> PreviewAnswer:
    return PreviewAnswer(step=preview.step, prompt=preview.prompt, seed=preview.seed, file=str(preview.path))


def failure_answer(jobs: Jobs) -> FailureAnswer | None:
    failure = jobs.snapshot.failure
    if failure is None or jobs.current is None:
        return None
    faults = fault_answers(jobs.current.error)
    return FailureAnswer(message=failure.message, hint=failure.hint, expected=failure.expected, faults=faults)


def status_answer(jobs: Jobs, since: int = -1) -> StatusAnswer:
    snapshot = jobs.snapshot
    return StatusAnswer(
        job=snapshot.job,
        name=snapshot.name,
        state=snapshot.state,
        active=snapshot.active,
        status=snapshot.status,
        fraction=snapshot.fraction,
        model=snapshot.model,
        first_step=snapshot.first_step,
        step=snapshot.step,
        last_step=snapshot.last_step,
        epoch=snapshot.epoch,
        loss=snapshot.loss,
        rate=snapshot.rate,
        norms={**snapshot.norms},
        seconds_per_step=snapshot.seconds_per_step,
        images_per_second=snapshot.images_per_second,
        seconds_left=snapshot.seconds_left,
        losses=[
            PointAnswer(
                step=point.step,
                steps=point.steps,
                loss=point.loss,
                low=point.low,
                high=point.high,
                rate=point.rate,
            )
            for point in snapshot.history.points
            if point.step > since
        ],
        preview=preview_answer(snapshot.previews[-1]) if snapshot.previews else None,
        result=str(snapshot.result) if snapshot.result else None,
        failure=failure_answer(jobs),
    )
