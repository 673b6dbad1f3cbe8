"""Routes that make the library again for the loaded model."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter

from lib_ti.api.answers import AgainAnswer, RemadeAnswer
from lib_ti.api.embeddings import made_answer
from lib_ti.api.refusal import CONFLICT, NO_MODEL
from lib_ti.api.requests import AgainRequest, StopRequest
from lib_ti.api.route import BODY, about
from lib_ti.api.training import failure_answer
from lib_ti.api.values import NotRunning, Values
from lib_ti.config.again import AgainConfig
from lib_ti.config.tree import config_values


def add_again_routes(router: APIRouter, values: Values) -> None:
    remaking, host = values.app.remaking, values.app.host
    example = {"filter": "merges", "name": "[name]-[model]"}

    @router.post(
        "/again/start", status_code=202, **about(values, CONFLICT, NO_MODEL, body=AgainRequest, example=example)
    )
    def start(given: dict[str, Any] = BODY) -> AgainAnswer:
        """Make the library's files of other models again by their recipes, which goes on by itself."""
        request = values.build(AgainRequest, given)
        host.model()  # what would fail at once is refused here, with its status
        remaking.start(
            config_values(AgainConfig(request.name, request.overwrite, request.folder)), request.filter, values.may_read
        )
        return answer()

    @router.get("/again/status", **about(values))
    def status() -> AgainAnswer:
        """How far that is, and what came of every file."""
        return answer()

    @router.post("/again/control", **about(values, CONFLICT, body=StopRequest, example={"action": "stop"}))
    def control(given: dict[str, Any] = BODY) -> AgainAnswer:
        """Stop it after the file in progress."""
        values.build(StopRequest, given)
        job = remaking.jobs.current
        if job is None or not job.active:
            raise NotRunning("No files are being made again.", "Start it first.")
        job.control.stop()
        return answer()

    def answer() -> AgainAnswer:
        snapshot, progress = remaking.jobs.snapshot, remaking.progress
        return AgainAnswer(
            job=snapshot.job,
            state=snapshot.state,
            active=snapshot.active,
            total=progress.total,
            done=len(progress.done),
            seconds_left=progress.seconds_left,
            files=[
                RemadeAnswer(file=str(one.path), made=made_answer(one.made) if one.made else None, fault=one.fault)
                for one in progress.done
            ],
            failure=failure_answer(snapshot.failure),
        )
