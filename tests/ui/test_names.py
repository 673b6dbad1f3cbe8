"""A user would lose the way to the field: every fault is told by the label that stands on the page."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest
from fake_app import FakeApp

from lib_ti.config.dataset import DatasetConfig
from lib_ti.config.embeddings import CreateConfig, InspectConfig, MergeConfig, RemakeConfig
from lib_ti.config.options import labels
from lib_ti.config.train import TrainConfig
from lib_ti.control import Control
from lib_ti.errors import EmbeddingExists, Fault, FaultList, InvalidConfig, InvalidDataset, TIError
from lib_ti.events import Emit
from lib_ti.ui.actions.dataset import DatasetActions
from lib_ti.ui.actions.embeddings import EmbeddingActions
from lib_ti.ui.actions.train import Actions, Outcome
from lib_ti.ui.view import view_of

Press = Callable[[FakeApp], Outcome]
BUTTONS: dict[str, tuple[type, str, Press]] = {
    "create": (CreateConfig, "create", lambda app: Actions(app).create({"name": "moth"})),
    "check": (TrainConfig, "plan", lambda app: Actions(app).check(TRAIN)),
    "train": (TrainConfig, "start_training", lambda app: Actions(app).train(TRAIN, resume=False)),
    "prepare": (
        DatasetConfig,
        "pictures.start_preparing",
        lambda app: DatasetActions(app.pictures).prepare({"folders.source": "in", "captions.words": "a"}),
    ),
    "show": (TrainConfig, "pictures.album", lambda app: DatasetActions(app.pictures).show("in")),
    "prove": (TrainConfig, "pictures.validate", lambda app: DatasetActions(app.pictures).validate("in", TRAIN)),
    "merge": (MergeConfig, "merge", lambda app: EmbeddingActions(app).merge(MERGE)),
    "preview": (MergeConfig, "build_merge", lambda app: EmbeddingActions(app).preview(MERGE)),
    "explain": (MergeConfig, "build_merge", lambda app: EmbeddingActions(app).explain(MERGE)),
    "type": (MergeConfig, "check_expression", lambda app: EmbeddingActions(app).check("'cat'")),
    "inspect": (InspectConfig, "inspect", lambda app: EmbeddingActions(app).inspect(LOOK)),
    "decompose": (InspectConfig, "decompose", lambda app: EmbeddingActions(app).decompose(LOOK)),
    "again": (RemakeConfig, "remake", lambda app: EmbeddingActions(app).remake.one("a.pt", {})[0]),
    "all again": (RemakeConfig, "library_job.start", lambda app: EmbeddingActions(app).remake.start("", {})),
}
TRAIN = {"embedding.name": "moth", "data.folder": "in"}
MERGE = {"name": "moth", "expression": "'cat'"}
LOOK = {"source": "typed", "typed": "cat"}
SOON = 30.0


def told_places(html: str) -> list[str]:
    return re.findall(r"<b>(.*?):</b>", html)


@pytest.mark.parametrize("name", BUTTONS)
@pytest.mark.parametrize("kind", [InvalidConfig, InvalidDataset])
def test_a_refusal_names_every_field_by_its_label(
    name: str, kind: type[FaultList], app: FakeApp, monkeypatch: pytest.MonkeyPatch
) -> None:
    config, method, press = BUTTONS[name]
    known = labels(config)

    def refuse(*_: Any, **__: Any) -> None:
        raise kind([Fault(path, "cannot be used") for path in known])

    *parts, last = method.split(".")
    monkeypatch.setattr(getattr(app, parts[0]) if parts else app, last, refuse)
    outcome = press(app)
    assert told_places(outcome.html) == [label.replace("'", "&#x27;") for label in known.values()]


@pytest.mark.parametrize("kind", [InvalidConfig, InvalidDataset])
@pytest.mark.parametrize("part", ["progress", "preparation", "remake"])
def test_a_job_that_failed_names_every_field_by_its_label(part: str, kind: type[FaultList], app: FakeApp) -> None:
    config, jobs = {
        "progress": (TrainConfig, app.jobs),
        "preparation": (DatasetConfig, app.pictures.jobs),
        "remake": (RemakeConfig, app.library_job.jobs),
    }[part]

    def work(emit: Emit, control: Control) -> None:
        raise kind([Fault(path, f"fault {number} of it") for number, path in enumerate(labels(config))])

    assert jobs.start("Work", work).wait(SOON)
    html = view_of(app).parts[part]
    for number, (path, label) in enumerate(labels(config).items()):
        assert f"{label.replace(chr(39), '&#x27;')}: fault {number} of it" in html
        assert f"{path}: " not in html


def test_a_job_that_failed_for_one_place_or_none_tells_it_as_it_is(app: FakeApp) -> None:
    def work(emit: Emit, control: Control) -> None:
        raise EmbeddingExists("moth.pt exists.", "Choose another name.", "/embeddings/moth.pt")

    assert app.jobs.start("Work", work).wait(SOON)
    assert "/embeddings/moth.pt: moth.pt exists." in view_of(app).parts["progress"]


def test_a_job_that_failed_at_one_field_names_it_by_its_label(app: FakeApp) -> None:
    def work(emit: Emit, control: Control) -> None:
        raise TIError("It is full.", "Choose another.", "save.log_folder")

    assert app.jobs.start("Work", work).wait(SOON)
    html = view_of(app).parts["progress"]
    assert "Log directory: It is full." in html
    assert "save.log_folder" not in html


def test_an_error_at_one_field_is_told_by_its_label(app: FakeApp, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: Any) -> None:
        raise TIError("It is full.", "Choose another.", "save.log_folder")

    monkeypatch.setattr(app, "plan", refuse)
    outcome = Actions(app).check(TRAIN)
    assert told_places(outcome.html) == ["Log directory"]
    assert [fault.where for fault in outcome.faults] == ["save.log_folder"]
