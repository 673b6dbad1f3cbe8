"""Errors as answers: the status, and a body that says what is wrong, what to do and where."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any

from fastapi import Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from fastapi.routing import APIRoute
from pydantic import BaseModel, Field
from starlette.exceptions import HTTPException  # FastAPI's own one is a kind of it, and it raises both

from lib_ti.api.answers import plain
from lib_ti.api.values import NotFound, NotRunning
from lib_ti.errors import (
    Busy,
    EmbeddingExists,
    HostError,
    InvalidText,
    TIError,
    TrainingFailed,
    UnsupportedModel,
    faults_of,
    visible,
)

WRONG, UNKNOWN, CONFLICT, NO_MODEL, NO_ENTRY, NOT_JSON, FAILED = 422, 404, 409, 503, 401, 415, 500

STATUSES: tuple[tuple[type[TIError], int], ...] = (
    (NotFound, UNKNOWN),
    (NotRunning, CONFLICT),
    (EmbeddingExists, CONFLICT),
    (Busy, CONFLICT),
    (HostError, NO_MODEL),
    (UnsupportedModel, NO_MODEL),
    (TrainingFailed, FAILED),
    (TIError, WRONG),
)
"""The first that fits."""

MEANINGS = {
    NO_ENTRY: "User or password is wrong.",
    UNKNOWN: "There is no such file or picture.",
    CONFLICT: "A file would be overwritten, or a run is in the way or over.",
    NOT_JSON: "The body is not sent as application/json.",
    WRONG: "Values that cannot be used: every fault by its field.",
    NO_MODEL: "The host cannot do it now, such as while it has no model.",
}


class Told(BaseModel):
    # No docstring: pydantic 1 would show it in /docs for all that have none.
    def __init__(self, **values: Any) -> None:
        told = plain(values)
        super().__init__(**{key: visible(text) if isinstance(text, str) else text for key, text in told.items()})


class FaultAnswer(Told):
    where: str = Field(description="A setting's dotted path, a file or a parameter.")
    message: str
    hint: str = ""


class Refusal(Told):
    """Why a request was not carried out."""

    error: str = Field(description="The kind: InvalidConfig, InvalidText, EmbeddingExists, Busy, NotFound …")
    detail: str = Field(description="What is wrong; of a text, with a caret under the place.")
    hint: str = Field(default="", description="What to do.")
    faults: list[FaultAnswer] = Field(default=[], description="Every fault by its field.")
    span: list[int] | None = Field(
        default=None, description="Of a text: from which character to which it cannot be read."
    )


class RefusingRoute(APIRoute):
    """Answers our own errors by itself, so that nothing is hung into the server, which is the host's."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        handle = super().get_route_handler()

        async def answer(request: Request) -> Response:
            # A stranger's web page can make a browser send a form or plain text here, but not JSON.
            kind = request.headers.get("content-type", "")
            if request.method == "POST" and kind.partition(";")[0].strip().lower() != "application/json":
                return refuse(NOT_JSON, Refusal(error="NotJson", detail=f"The body is {kind or 'untyped'}, not JSON."))
            try:
                return await handle(request)
            except TIError as error:
                return refuse(*describe(error))
            except RequestValidationError as error:
                faults = [_fault_of(one) for one in error.errors()]
                return refuse(
                    WRONG, Refusal(error="InvalidRequest", detail="The request cannot be read.", faults=faults)
                )
            except HTTPException as error:
                refusal = Refusal(error=type(error).__name__, detail=str(error.detail))
                return refuse(error.status_code, refusal, dict(error.headers or {}))

        return answer


def describe(error: TIError) -> tuple[int, Refusal]:
    status = next(status for kind, status in STATUSES if isinstance(error, kind))
    return status, Refusal(
        error=type(error).__name__,
        detail=str(error).removesuffix(error.hint).rstrip(),
        hint=error.hint,
        faults=[FaultAnswer(where=fault.where, message=fault.message, hint=fault.hint) for fault in faults_of(error)],
        span=[error.start, error.end] if isinstance(error, InvalidText) else None,
    )


def refuse(status: int, refusal: Refusal, headers: dict[str, str] | None = None) -> JSONResponse:
    body = refusal.model_dump() if hasattr(refusal, "model_dump") else refusal.dict()  # pydantic 2, 1
    return JSONResponse(body, status, headers)


def _fault_of(found: Any) -> FaultAnswer:
    return FaultAnswer(where=".".join(str(part) for part in found["loc"]), message=str(found["msg"]))
