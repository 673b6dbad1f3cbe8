"""Requests and settings in the WebUI: with its FastAPI, its pydantic, its options and its passwords."""

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient

from lib_ti.adapters.webui import settings as page
from lib_ti.api.routes import PREFIX, add_routes
from lib_ti.api.security import Access
from lib_ti.app import App
from lib_ti.formats.files import load_embedding
from lib_ti.host import ModelInfo
from tests.adapters.webui.conftest import NAME


@pytest.fixture
def model(app: App) -> ModelInfo:
    return app.host.model()  # loads it where that has yet to be done, as Forge has before its first picture


@pytest.fixture
def options() -> Iterator[Any]:
    """The WebUI's settings with our section among them, afterwards as they were."""
    from modules import shared

    labels, values = dict(shared.opts.data_labels), dict(shared.opts.data)
    page.add_settings()
    yield shared.opts
    shared.opts.data_labels, shared.opts.data = labels, values


def test_an_embedding_is_made_trained_and_seen_by_requests(
    app: App, model: ModelInfo, settings: dict[str, Any]
) -> None:
    server = FastAPI()
    add_routes(server, app, Access({"ann": "opener"}, (Path(settings["data.folder"]),)))
    client = TestClient(server)
    assert client.get(f"{PREFIX}/model").status_code == 401
    client.auth = ("ann", "opener")
    assert client.get(f"{PREFIX}/model").json()["name"] == model.name
    given = {path: value for path, value in settings.items() if not path.startswith("save.")}
    started = client.post(f"{PREFIX}/train/start", json=given)
    assert started.status_code == 202, started.text
    status = started.json()
    for _ in range(600):
        if not status["active"]:
            break
        time.sleep(0.5)
        status = client.get(f"{PREFIX}/train/status").json()
    assert (status["state"], status["step"], len(status["losses"])) == ("finished", 4, 4), status
    made = Path(status["result"])
    assert load_embedding(made).step == 4
    assert client.get(f"{PREFIX}/library", params={"filter": NAME}).json()["embeddings"][0]["match"] in (
        "this",
        "other",
    )
    seen = client.post(f"{PREFIX}/inspect", json={"file": made.name}).json()
    assert len(seen["encoders"]) == len(model.encoders)
    made.unlink()
    app.host.refresh_embeddings()


def test_the_settings_page_has_our_section(options: Any, tmp_path: Path) -> None:
    options.reorder()  # as its page does
    plain = {page.key(path) for path in page.LASTING}
    assert plain | page.OWN.keys() <= options.data.keys()
    assert {options.data_labels[name].section for name in plain | page.OWN.keys()} == {("ti_lab", "TI Lab")}
    reach = page.api_log_folders()
    assert options.set(page.LOGS, str(tmp_path / "runs"))
    assert page.log_folder() == tmp_path / "runs"
    assert page.api_log_folders() == reach, "what a request may set too opens no folder to requests"
    assert options.set(page.key("save.format"), "pt")
    assert page.defaults()["save.format"] == "pt"
    if "save_optimizer_state" in options.data_labels:
        assert "save.optim" not in page.defaults()
        assert options.set("save_optimizer_state", True)
        assert page.defaults()["save.optim"] is True


def test_the_password_is_the_webuis(monkeypatch: pytest.MonkeyPatch) -> None:
    from modules import shared

    for name in ("api_auth", "gradio_auth", "gradio_auth_path"):
        monkeypatch.setattr(shared.cmd_opts, name, None)
    assert page.credentials() == {}
    monkeypatch.setattr(shared.cmd_opts, "gradio_auth", "eve:pear")
    assert page.credentials() == {"eve": "pear"}
    monkeypatch.setattr(shared.cmd_opts, "api_auth", "ann:opener,bob:word")
    assert page.credentials() == {"ann": "opener", "bob": "word"}
