from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient

from lib_ti.api.routes import PREFIX, add_routes
from lib_ti.api.security import Access
from lib_ti.app import App
from tests.toy_host import ToyHost

Ask = Callable[..., Any]


@pytest.fixture
def app(tmp_path: Path) -> App:
    app = App(ToyHost(tmp_path))
    app.host.embeddings_folder().mkdir()
    app.host.log_folder().mkdir()
    return app


@pytest.fixture
def access(pictures: Path) -> Access:
    return Access(pictures=(pictures.parent / "pictures",))


@pytest.fixture
def server(app: App, access: Access) -> FastAPI:
    server = FastAPI()
    add_routes(server, app, access)
    return server


@pytest.fixture
def client(server: FastAPI) -> TestClient:
    return TestClient(server)


@pytest.fixture
def get(client: TestClient) -> Ask:
    """get("library", filter="cat") -> the answer."""
    return lambda path, **query: client.get(f"{PREFIX}/{path}", params=query)


@pytest.fixture
def post(client: TestClient) -> Ask:
    """post("merge", {...}) -> the answer."""
    return lambda path, values: client.post(f"{PREFIX}/{path}", json=values)


def wheres(answer: Any) -> set[str]:
    return {fault["where"] for fault in answer.json()["faults"]}
