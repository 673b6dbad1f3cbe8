"""A user would lose: a search that goes on when the page is closed, and that neither disturbs a training nor is disturbed by one."""

import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from lib_ti.app import App
from lib_ti.config.describe import DescribeConfig
from lib_ti.config.options import build_config
from lib_ti.config.train import TrainConfig
from lib_ti.errors import Busy
from tests.toy_host import ToyHost

SOON = 60


@pytest.fixture
def app(tmp_path: Path) -> App:
    return App(ToyHost(tmp_path))


@pytest.fixture
def config(pictures: Path) -> DescribeConfig:
    return DescribeConfig(str(pictures), words=2, candidates=4, samples=4)


def held(app: App, monkeypatch: pytest.MonkeyPatch) -> tuple[threading.Event, threading.Event]:
    """A search that has begun, and goes on when the second is set."""
    begun, go_on = threading.Event(), threading.Event()
    session: Callable[..., Any] = app.host.training_session

    def waiting(request: Any) -> Any:
        begun.set()
        assert go_on.wait(SOON)
        return session(request)

    monkeypatch.setattr(app.host, "training_session", waiting)
    return begun, go_on


def test_its_words_stay_until_the_next_search(app: App, config: DescribeConfig) -> None:
    job = app.description_job.start(config)
    assert job.wait(SOON)
    assert job.snapshot.state == "finished"
    found = app.description_job.description
    assert found == app.describe(config)
    assert found is not None
    assert job.snapshot.step == len(found.words)


def test_neither_a_second_search_nor_a_training_starts_meanwhile(
    app: App, config: DescribeConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun, go_on = held(app, monkeypatch)
    job = app.description_job.start(config)
    assert begun.wait(SOON)
    training = build_config(TrainConfig, {"embedding.name": "moth", "data.folder": config.pictures})
    for start in (lambda: app.description_job.start(config), lambda: app.start_training(training)):
        with pytest.raises(Busy, match="Describe pictures is still running"):
            start()
    job.control.stop()
    go_on.set()
    assert job.wait(SOON)
    assert job.snapshot.state == "stopped"


def test_no_search_starts_while_a_training_runs(
    app: App, config: DescribeConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun, go_on = held(app, monkeypatch)
    values = {"embedding.name": "moth", "data.folder": config.pictures, "data.template": "none", "optim.steps": 1}
    values |= {"embedding.init": "cat"}
    job = app.start_training(build_config(TrainConfig, values | {"preview.every": 0}))
    assert begun.wait(SOON)
    with pytest.raises(Busy, match="moth is still running"):
        app.description_job.start(config)
    go_on.set()
    assert job.wait(SOON)


def test_a_search_that_fails_says_why_and_leaves_no_words_of_another(app: App, config: DescribeConfig) -> None:
    assert app.description_job.start(config).wait(SOON)
    job = app.description_job.start(DescribeConfig("nowhere"))
    assert job.wait(SOON)
    assert job.snapshot.state == "failed"
    assert app.description_job.description is None
