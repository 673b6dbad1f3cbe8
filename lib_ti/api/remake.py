"""Routes that make the library again for the loaded model."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter

from lib_ti.api.answers import REMADE, REMAKE
from lib_ti.api.refusal import CONFLICT, NO_MODEL
from lib_ti.api.requests import RemakeRequest, StopRequest
from lib_ti.api.schema import BODY, about
from lib_ti.api.training import failure_answer
from lib_ti.api.values import NotRunning, Values


def add_remake_routes(router: APIRouter, values: Values) -> None:
    library_job, host = values.app.library_job, values.app.host
    example = {"filter": "merges", "name": "[name]-[model]"}

    starts = about(values, CONFLICT, NO_MODEL, answer=REMAKE, status=202, body=RemakeRequest, example=example)
    stops = about(values, CONFLICT, answer=REMAKE, body=StopRequest, example={"action": "stop"})

    @router.post("/again/start", **starts)
    def start(given: dict[str, Any] = BODY) -> Any:
        """Make the library's files of other models again by their recipes, which goes on by itself."""
        request = values.build(RemakeRequest, given)
        host.model()  # what would fail at once is refused here, with its status
        library_job.start(request, request.filter, values.may_read)
        return answer()

    @router.get("/again/status", **about(values, answer=REMAKE))
    def status() -> Any:
        """How far that is, and what came of every file."""
        return answer()

    @router.post("/again/control", **stops)
    def control(given: dict[str, Any] = BODY) -> Any:
        """Stop it after the file in progress."""
        values.build(StopRequest, given)
        job = library_job.jobs.current
        if job is None or not job.active:
            raise NotRunning("No files are being made again.", "Start it first.")
        job.control.stop()
        return answer()

    def answer() -> dict[str, Any]:
        snapshot, progress = library_job.jobs.snapshot, library_job.progress
        return REMAKE.of(
            snapshot,
            total=progress.total,
            done=len(progress.done),
            seconds_left=progress.seconds_left,
            files=[REMADE.of(one, file=one.path) for one in progress.done],
            failure=failure_answer(library_job.jobs),
        )
