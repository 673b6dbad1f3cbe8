"""A program's author loses: /docs that tells every field, limit and error, and a password that keeps others out."""

import json
from typing import Any

import pytest
from fastapi import FastAPI
from fastapi.routing import APIRoute
from fastapi.testclient import TestClient

from lib_ti.api.routes import PREFIX, add_routes, build_router
from lib_ti.api.security import Access
from lib_ti.app import App
from lib_ti.config.embeddings import CreateConfig, MergeConfig
from lib_ti.config.options import config_values, flatten, walk_options
from lib_ti.config.train import TrainConfig
from tests.api.conftest import Ask

OWN = {"ann": "an:opener", "böb": "pässword"}


def operations(server: FastAPI) -> dict[str, dict[str, Any]]:
    schema = server.openapi()
    return {
        f"{method} {path.removeprefix(PREFIX)}": operation
        for path, methods in schema["paths"].items()
        for method, operation in methods.items()
    }


def locked(app: App) -> FastAPI:
    server = FastAPI()
    add_routes(server, app, Access(OWN))
    return server


def test_every_route_is_described_with_its_errors(app: App) -> None:
    found = operations(locked(app))
    assert len(found) == 23
    for name, operation in found.items():
        answers = operation["responses"]
        assert operation["description"].strip(), name
        assert {"401", "422"} <= answers.keys(), name
        assert any(status.startswith("2") for status in answers), name
        assert ("415" in answers) == name.startswith("post"), name
        for status, answer in answers.items():
            if status.startswith(("4", "5")):
                assert answer["content"]["application/json"]["schema"]["$ref"].endswith("/Refusal"), (name, status)
        assert operation["security"], name
    for name, statuses in {
        "get /model": {"503"},
        "post /create": {"201", "409", "503"},
        "post /merge": {"201", "409", "503"},
        "post /train/start": {"202", "409", "503"},
        "post /train/control": {"409"},
        "get /library/file": {"404"},
        "post /again/start": {"202", "409", "503"},
    }.items():
        assert statuses <= found[name]["responses"].keys(), name


def body(operation: dict[str, Any]) -> dict[str, Any]:
    content: dict[str, Any] = operation["requestBody"]["content"]["application/json"]
    return content


@pytest.mark.parametrize(
    ("route", "config"),
    [
        ("/create", CreateConfig),
        ("/merge", MergeConfig),
        ("/train/start", TrainConfig),
        ("/train/preflight", TrainConfig),
    ],
)
def test_requests_show_default_limits_choices_and_help_of_every_setting(
    server: FastAPI, route: str, config: type
) -> None:
    shown: dict[str, dict[str, Any]] = {}

    def collect(schema: dict[str, Any], prefix: str = "") -> None:
        for name, inner in schema["properties"].items():
            if inner["type"] == "object":
                collect(inner, f"{prefix}{name}.")
            else:
                shown[prefix + name] = inner

    collect(body(operations(server)[f"post {route}"])["schema"])
    options = list(walk_options(config))
    assert list(shown) == [path for path, *_ in options]
    for path, kind, default, about in options:
        field = shown[path]
        assert field["type"] == {str: "string", int: "integer", float: "number", bool: "boolean"}[kind]
        assert (field["title"], field["description"]) == (about.label, about.help)
        assert (field.get("minimum"), field.get("maximum")) == (about.minimum, about.maximum)
        assert tuple(field.get("enum", ())) == about.choices
        assert about.required or field["default"] == default


def test_every_example_names_settings_that_exist(server: FastAPI) -> None:
    for name, operation in operations(server).items():
        if name.startswith("post"):
            content = body(operation)
            known = set(flatten_schema(content["schema"]))
            assert set(flatten(content["example"])) <= known, name


def flatten_schema(schema: dict[str, Any], prefix: str = "") -> list[str]:
    return [
        path
        for name, inner in schema["properties"].items()
        for path in (flatten_schema(inner, f"{prefix}{name}.") if inner["type"] == "object" else [prefix + name])
    ]


def test_what_the_user_has_set_for_good_is_the_default(app: App) -> None:
    server = FastAPI()
    add_routes(server, app, Access(defaults={"save.format": "pt", "preview.every": 7}))
    found = operations(server)
    assert body(found["post /create"])["schema"]["properties"]["format"]["default"] == "pt"
    assert body(found["post /train/start"])["schema"]["properties"]["preview"]["properties"]["every"]["default"] == 7
    client = TestClient(server)
    assert client.post(f"{PREFIX}/create", json={"name": "moth", "init": "red"}).json()["file"].endswith("moth.pt")
    given = client.post(f"{PREFIX}/create", json={"name": "bee", "init": "red", "format": "safetensors"})
    assert given.json()["file"].endswith("bee.safetensors")


def test_nobody_comes_in_without_the_password(app: App) -> None:
    client = TestClient(locked(app))
    routes = [route for route in build_router(app, Access(OWN)).routes if isinstance(route, APIRoute)]
    assert len(routes) == 23
    for route in routes:
        (method,) = route.methods
        for credentials in (None, ("ann", "an"), ("ann", ""), ("", ""), ("bob", "an:opener"), ("ann", "pässword")):
            about: dict[str, Any] = {"auth": credentials} if credentials else {}
            if method == "POST":
                about["json"] = {"name": "moth", "action": "stop"}
            answer = client.request(method, route.path, **about)
            assert answer.status_code == 401, (route.path, credentials)
            assert answer.headers["www-authenticate"].startswith("Basic")
    assert not list(app.host.embeddings_folder().iterdir())
    assert client.get(f"{PREFIX}/model", auth=("ann", "an:opener")).status_code == 200


def test_a_bug_is_not_dressed_up(client: TestClient, app: App, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(app, "model", lambda: [][1])
    with pytest.raises(IndexError):
        client.get(f"{PREFIX}/model")


@pytest.mark.parametrize("newer", [False, True])
def test_what_is_nested_without_end_is_refused_like_the_rest(
    client: TestClient, newer: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    if newer:  # Pythons, which read more than they can walk through
        deep: Any = 1
        for _ in range(3000):
            deep = {"a": deep}
        monkeypatch.setattr(json, "loads", lambda _: deep)
    body = '{"a":' * 3000 + "1" + "}" * 3000
    answer = client.post(f"{PREFIX}/create", content=body, headers={"content-type": "application/json"})
    monkeypatch.undo()
    assert answer.status_code == (422 if newer else 400)
    assert answer.json()["error"]
    assert answer.json()["detail"]


def test_a_path_that_is_none_of_ours_is_unknown(get: Ask) -> None:
    assert get("nothing").status_code == 404


def test_routes_take_nothing_else_of_the_server(app: App) -> None:
    server = FastAPI()
    handlers, middleware = dict(server.exception_handlers), list(server.user_middleware)
    add_routes(server, app, Access())
    assert (server.exception_handlers, server.user_middleware) == (handlers, middleware)


def test_the_whole_of_the_settings_can_be_sent(get: Ask, post: Ask) -> None:
    """What /docs fills in by itself must be taken."""
    values = config_values(MergeConfig("'red'", "moth"))
    assert post("merge", values).status_code == 201
