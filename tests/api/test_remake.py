"""A program loses: a whole library of merges, with every new finetune; or the way to watch that and to stop it."""

from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient

from lib_ti.api.routes import PREFIX
from lib_ti.app import App
from lib_ti.config.embeddings import MergeConfig
from lib_ti.formats.files import load_embedding
from tests.api.conftest import Ask, wheres
from tests.test_remake import Finetune
from tests.toy_host import ToyHost

SOON = 60


@pytest.fixture
def app(tmp_path: Path) -> App:
    """With merges on an older model."""
    app = App(Finetune(tmp_path))
    app.host.embeddings_folder().mkdir()
    app.host.log_folder().mkdir()
    old = App(ToyHost(tmp_path))
    for name, expression in (("ant", "'red'"), ("bee", "'ant'*2")):
        old.merge(MergeConfig(expression, name))
    return app


def wait(app: App) -> None:
    job = app.library_job.jobs.current
    assert job
    assert job.wait(SOON)


def model_of(app: App, name: str) -> str:
    return load_embedding(app.host.embeddings_folder() / f"{name}.safetensors").model_name


def test_the_library_is_made_again_and_what_came_of_it_told(app: App, get: Ask, post: Ask) -> None:
    assert get("again/status").json()["state"] == "idle"
    answer = post("again/start", {"overwrite": True})
    assert answer.status_code == 202, answer.text
    wait(app)
    told = get("again/status").json()
    assert (told["state"], told["active"], told["total"], told["done"]) == ("finished", False, 2, 2)
    assert [Path(one["file"]).stem for one in told["files"]] == ["ant", "bee"]
    assert all(one["made"]["vectors"] == 1 and not one["fault"] for one in told["files"])
    assert model_of(app, "bee") == "fine tune/v2"
    post("again/start", {})
    wait(app)
    assert get("again/status").json()["total"] == 0


def test_the_filter_bounds_it_and_nothing_is_overwritten_unasked(app: App, get: Ask, post: Ask) -> None:
    post("again/start", {"filter": "bee"})
    wait(app)
    (one,) = get("again/status").json()["files"]
    assert one["made"] is None
    assert "exists already" in one["fault"]
    assert model_of(app, "bee") == "toy"


def test_it_is_stopped_between_two_files_and_a_second_one_refused(
    app: App, get: Ask, post: Ask, monkeypatch: pytest.MonkeyPatch
) -> None:
    answers = []
    remake = app.remake

    def watched(*given: Any) -> Any:
        for one in remake(*given):
            answers.append(post("again/start", {}))
            answers.append(post("again/control", {"action": "stop"}))
            yield one

    monkeypatch.setattr(app.library_job, "_remake", watched)
    assert post("again/control", {"action": "stop"}).status_code == 409
    post("again/start", {"overwrite": True})
    wait(app)
    assert [answer.status_code for answer in answers] == [409, 200]
    assert answers[1].json()["state"] == "stopping"
    told = get("again/status").json()
    assert (told["state"], told["total"], told["done"]) == ("stopped", 2, 1)
    assert (model_of(app, "ant"), model_of(app, "bee")) == ("fine tune/v2", "toy")


def test_faults_are_told_at_once_by_their_field(post: Ask, tmp_path: Path) -> None:
    assert wheres(post("again/start", {"name": "", "folder": str(tmp_path), "folde": ""})) == {
        "name",
        "folder",
        "folde",
    }


def test_a_file_behind_a_link_that_leads_out_is_left_alone(
    app: App, get: Ask, client: TestClient, tmp_path: Path
) -> None:
    secret = tmp_path / "secret.safetensors"
    ant = app.host.embeddings_folder() / "ant.safetensors"
    ant.rename(secret)
    ant.symlink_to(secret)
    before = secret.read_bytes()
    client.post(f"{PREFIX}/again/start", json={"overwrite": True, "filter": "ant"})
    wait(app)
    assert "ant" not in {Path(one["file"]).stem for one in get("again/status").json()["files"]}
    assert secret.read_bytes() == before
