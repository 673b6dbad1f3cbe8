"""A program's author loses: answers that are what /docs says of them, with every type of a value."""

import json
import math
from pathlib import Path
from typing import Any

import pytest
from fastapi import FastAPI

from lib_ti.api.answers import FIGURES, plain
from lib_ti.api.routes import PREFIX
from lib_ti.app import App
from lib_ti.inspect.columns import COLUMNS, Figures
from tests.api.conftest import Ask

TYPES: dict[str, Any] = {"string": str, "integer": int, "number": (int, float), "boolean": bool, "null": type(None)}


def validate(value: Any, schema: dict[str, Any], where: str) -> None:
    if value is None and schema.get("nullable"):
        return
    if "anyOf" in schema:
        schema = next(one for one in schema["anyOf"] if (one["type"] == "null") == (value is None))
    kind = schema.get("type")
    if kind == "object":
        assert isinstance(value, dict), where
        known = schema.get("properties", {})
        assert set(schema.get("required", ())) <= value.keys(), where
        assert "additionalProperties" in schema or value.keys() == known.keys(), where
        for key, inner in value.items():
            validate(inner, known.get(key) or schema["additionalProperties"], f"{where}.{key}")
    elif kind == "array":
        assert isinstance(value, list), where
        for inner in value:
            validate(inner, schema["items"], f"{where}[]")
    elif kind:
        assert isinstance(value, TYPES[kind]), (where, value)
        assert value in schema.get("enum", [value]), (where, value)


@pytest.fixture
def answers(server: FastAPI, get: Ask, post: Ask, app: App, pictures: Path) -> dict[str, Any]:
    """By route: what each answers, of things that have happened."""
    settings = {
        "embedding": {"name": "bee", "init": "red"},
        "data": {"folder": str(pictures), "template": "subject"},
        "optim": {"steps": 2},
    }
    found = {
        "post /create": post("create", {"name": "moth", "init": "red"}),
        "post /merge": post("merge", {"name": "mix", "expression": "'red' + 'moth'"}),
        "post /merge/check": post("merge/check", {"expression": "'red' +"}),
        "post /inspect": post("inspect", {"file": "mix.safetensors", "other": "'red'", "same_as": "red"}),
        "post /decompose": post("decompose", {"typed": "'red'"}),
        "post /convert": post("convert", {"file": "mix.safetensors", "to": "png"}),
        "post /train/preflight": post("train/preflight", settings),
        "post /train/start": post("train/start", settings),
    }
    assert app.jobs.current
    assert app.jobs.current.wait(20)
    found |= {f"get /{path}": get(path) for path in ("model", "library", "train/status", "train/log")}
    found |= {"get /library/file": get("library/file", file="mix.safetensors")}
    found |= {"post /again/start": post("again/start", {})}
    assert app.library_job.jobs.current
    assert app.library_job.jobs.current.wait(20)
    return found | {"get /again/status": get("again/status")}


def test_every_answer_is_as_it_is_described(server: FastAPI, answers: dict[str, Any]) -> None:
    paths = server.openapi()["paths"]
    for name, answer in answers.items():
        method, _, path = name.partition(" ")
        assert answer.status_code in (200, 201, 202), (name, answer.text)
        described = paths[PREFIX + path][method]["responses"][str(answer.status_code)]
        validate(answer.json(), described["content"]["application/json"]["schema"], name)


def test_what_json_has_no_word_for_is_told_as_it_has_one() -> None:
    told = plain(Figures(math.nan, math.inf, -math.inf, 1.0, 2, 0.5))
    assert json.loads(json.dumps(told, allow_nan=False)) == {
        "min": None, "max": None, "sum": None, "abs_sum": 1.0, "length": 2, "std": 0.5
    }  # fmt: skip
    assert plain({"a\ud800": (Path("b"), True, None)}) == {"a?": ["b", True, None]}


def test_a_column_of_inspect_is_in_its_answer() -> None:
    assert list(FIGURES.schema()["properties"]) == [column.key for column in COLUMNS[4:]]
