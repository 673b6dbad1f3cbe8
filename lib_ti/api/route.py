"""How a route is described in /docs: its body, and every status it may answer with."""

from __future__ import annotations

from typing import Any

from fastapi import Body

from lib_ti.api.refusal import MEANINGS, NO_ENTRY, NOT_JSON, WRONG, Refusal
from lib_ti.api.schema import config_schema
from lib_ti.api.values import Values

BODY: Any = Body(...)
"""Taken as it comes: the settings' own rules read it, which tell every fault at once."""
PICTURE: dict[str, Any] = {"content": {"image/png": {"schema": {"type": "string", "format": "binary"}}}}


def about(
    values: Values, *errors: int, body: type | None = None, example: dict[str, Any] | None = None, picture: str = ""
) -> dict[str, Any]:
    """Arguments for `router.get` and `.post`. `body` is the config that the request is read into."""
    statuses = {WRONG, *errors, *([NOT_JSON] if body else []), *([NO_ENTRY] if values.access.credentials else [])}
    responses: dict[int, dict[str, Any]] = {
        status: {"model": Refusal, "description": MEANINGS[status]} for status in sorted(statuses)
    }
    described: dict[str, Any] = {"responses": responses}
    if picture:
        responses[200] = {**PICTURE, "description": picture}
    if body:
        content = {"schema": config_schema(body, values.defaults(body)), "example": example}
        described["openapi_extra"] = {"requestBody": {"content": {"application/json": content}, "required": True}}
    return described
