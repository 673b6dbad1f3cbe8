"""How a route is described in /docs: its body by the config dataclass that reads it, its answer by the dataclass that it tells
of, and every status it may answer with."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from typing import Any, get_type_hints

from fastapi import Body

from lib_ti.api.answers import schema_of
from lib_ti.api.refusal import MEANINGS, NO_ENTRY, NOT_JSON, WRONG, Refusal
from lib_ti.api.values import Values
from lib_ti.config.options import Option

_TYPES = {str: "string", int: "integer", float: "number", bool: "boolean"}


def config_schema(config: type, defaults: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """An object's schema; `defaults` by dotted path go over the config's own."""
    hints = get_type_hints(config)
    properties, required = {}, []
    for entry in fields(config):
        kind, path = hints[entry.name], f"{prefix}{entry.name}"
        if is_dataclass(kind):
            properties[entry.name] = config_schema(kind, defaults, f"{path}.")  # type: ignore[arg-type]
            if properties[entry.name].get("required"):
                required.append(entry.name)
        else:
            about: Option = entry.metadata["option"]
            properties[entry.name] = _field_schema(kind, about, defaults.get(path, entry.default))
            if about.required:
                required.append(entry.name)
    schema = {"type": "object", "title": config.__name__, "properties": properties, "additionalProperties": False}
    return {**schema, "required": required} if required else schema


def _field_schema(kind: type, about: Option, default: Any) -> dict[str, Any]:
    schema: dict[str, Any] = {"type": _TYPES[kind], "title": about.label, "description": about.help}
    limits = {"minimum": about.minimum, "maximum": about.maximum, "enum": list(about.choices) or None}
    schema |= {key: limit for key, limit in limits.items() if limit is not None}
    return schema if about.required else {**schema, "default": default}


BODY: Any = Body(...)
"""Taken as it comes: the settings' own rules read it, which tell every fault at once."""
PICTURE: dict[str, Any] = {"content": {"image/png": {"schema": {"type": "string", "format": "binary"}}}}


def about(
    values: Values,
    *errors: int,
    answer: Any = None,
    status: int = 200,
    body: type | None = None,
    example: dict[str, Any] | None = None,
    picture: str = "",
) -> dict[str, Any]:
    """Arguments for `router.get` and `.post`. `body` is the config that the request is read into, `answer` what comes with
    `status` where all is well."""
    statuses = {WRONG, *errors, *([NOT_JSON] if body else []), *([NO_ENTRY] if values.access.credentials else [])}
    responses: dict[int, dict[str, Any]] = {
        status: {"model": Refusal, "description": MEANINGS[status]} for status in sorted(statuses)
    }
    described: dict[str, Any] = {"responses": responses, "response_model": None, "status_code": status}
    if answer:
        content = {"application/json": {"schema": schema_of(answer)}}
        responses[status] = {"description": "Successful Response", "content": content}
    if picture:
        responses[200] = {**PICTURE, "description": picture}
    if body:
        sent = {"schema": config_schema(body, values.defaults(body)), "example": example}
        described["openapi_extra"] = {"requestBody": {"content": {"application/json": sent}, "required": True}}
    return described
