"""The API on whatever FastAPI and pydantic are there, A1111's old ones too: with no model, and no torch to load one with."""

from pathlib import Path
from typing import Any, cast

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient

from lib_ti.api.routes import PREFIX, add_routes
from lib_ti.api.security import Access
from lib_ti.app import App
from lib_ti.errors import HostError
from lib_ti.host import Host


class EmptyHost:
    """A WebUI that has not loaded a model yet."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def model(self) -> Any:
        raise HostError("The WebUI has not loaded a model yet.", "Wait until it has.")

    def embeddings_folder(self) -> Path:
        return self.folder

    def log_folder(self) -> Path:
        return self.folder / "logs"

    def template_folders(self) -> list[Path]:
        return []


@pytest.fixture
def client(tmp_path: Path) -> TestClient:
    server = FastAPI()
    add_routes(server, App(cast("Host", EmptyHost(tmp_path))), Access())
    return TestClient(server)


def test_every_request_and_answer_is_described(client: TestClient) -> None:
    described = client.get("/openapi.json").json()
    paths = {path.removeprefix(PREFIX): about for path, about in described["paths"].items()}
    assert {"/model", "/merge", "/inspect", "/library", "/train/start", "/train/status", "/again/start"} <= paths.keys()
    for path, about in paths.items():
        for method, operation in about.items():
            assert operation["description"], (method, path)
            assert method == "get" or "requestBody" in operation, path
            done = next(answer for status, answer in operation["responses"].items() if status.startswith("2"))
            assert done["content"], path
    rate = paths["/train/start"]["post"]["requestBody"]["content"]["application/json"]["schema"]
    assert rate["properties"]["optim"]["properties"]["lr"]["default"] == "0.005"


def test_what_needs_a_model_says_so_and_what_does_not_answers(client: TestClient) -> None:
    refused = client.get(f"{PREFIX}/model")
    assert (refused.status_code, refused.json()["error"]) == (503, "HostError")
    assert client.get(f"{PREFIX}/library").json()["embeddings"] == []
    status = client.get(f"{PREFIX}/train/status").json()
    assert (status["state"], status["losses"], status["failure"]) == ("idle", [], None)


def test_all_faults_of_a_request_are_reported_by_their_field(client: TestClient) -> None:
    wrong = {"embedding": {"name": "", "vectors": 99}, "optim": {"lr": "fast"}, "data": {"folder": "/etc"}}
    answer = client.post(f"{PREFIX}/train/start", json=wrong)
    assert answer.status_code == 422
    faulty = {fault["where"] for fault in answer.json()["faults"]}
    assert {"embedding.name", "embedding.vectors", "optim.lr", "data.folder"} <= faulty


def test_a_body_that_is_no_json_is_refused(client: TestClient) -> None:
    assert client.post(f"{PREFIX}/merge/check", content=b"expression='cat'").status_code == 415
