"""Routes that describe pictures in the model's own words."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter

from lib_ti.api.answers import DESCRIBING
from lib_ti.api.refusal import CONFLICT, NO_MODEL
from lib_ti.api.requests import StopRequest
from lib_ti.api.schema import BODY, about
from lib_ti.api.training import failure_answer
from lib_ti.api.values import NotRunning, Values
from lib_ti.config.describe import DescribeConfig


def add_describe_routes(router: APIRouter, values: Values) -> None:
    job, host = values.app.description_job, values.app.host
    example = {"pictures": "my-cat-pictures", "words": 3, "whole": True}

    starts = about(values, CONFLICT, NO_MODEL, answer=DESCRIBING, status=202, body=DescribeConfig, example=example)
    stops = about(values, CONFLICT, answer=DESCRIBING, body=StopRequest, example={"action": "stop"})

    @router.post("/describe/start", **starts)
    def start(given: dict[str, Any] = BODY) -> Any:
        """Find the words in which the model itself says most of some pictures, which goes on by itself."""
        config = values.build(DescribeConfig, given)
        host.model()  # what would fail at once is refused here, with its status
        job.start(config)
        return answer()

    @router.get("/describe/status", **about(values, answer=DESCRIBING))
    def status() -> Any:
        """How far that is, and the words once it is over."""
        return answer()

    @router.post("/describe/control", **stops)
    def control(given: dict[str, Any] = BODY) -> Any:
        """Stop it after the token that is tried; the words found by then are told."""
        values.build(StopRequest, given)
        if job.jobs.current is None or not job.jobs.current.active:
            raise NotRunning("No pictures are being described.", "Start it first.")
        job.jobs.current.control.stop()
        return answer()

    def answer() -> dict[str, Any]:
        snapshot = job.jobs.snapshot
        return DESCRIBING.of(snapshot, description=job.description, failure=failure_answer(job.jobs))
