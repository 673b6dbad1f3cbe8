"""A program loses: what pictures are in the model's own words, or the way to watch and to stop the search."""

from pathlib import Path
from typing import Any

import pytest

from lib_ti.app import App
from tests.api.conftest import Ask, wheres

QUICK = {"words": 2, "candidates": 4, "samples": 4}
SOON = 60


def wait(app: App) -> None:
    job = app.description_job.jobs.current
    assert job
    assert job.wait(SOON)


def test_pictures_are_described_and_the_words_told(app: App, get: Ask, post: Ask, pictures: Path) -> None:
    assert get("describe/status").json()["description"] is None
    answer = post("describe/start", {"pictures": str(pictures), **QUICK})
    assert answer.status_code == 202, answer.text
    wait(app)
    told = get("describe/status").json()
    assert (told["state"], told["active"], told["failure"]) == ("finished", False, None)
    found, mine = told["description"], app.description_job.description
    assert mine
    assert [word["token"] for word in found["words"]] == [word.token for word in mine.words]
    assert {"token", "text", "loss"} == found["words"][0]["others"][0].keys()
    assert (found["expression"], found["share"], found["images"]) == (mine.expression, mine.share, mine.images)
    assert post("merge/check", {"expression": found["expression"]}).json()["rows"] == len(found["words"])


def test_faults_are_told_at_once_by_their_field(post: Ask, tmp_path: Path) -> None:
    told = post("describe/start", {"pictures": str(tmp_path.parent), "words": 0, "prompt": "a photo", "wrods": 1})
    assert told.status_code == 422
    assert wheres(told) == {"pictures", "words", "prompt", "wrods"}


def test_it_is_stopped_and_a_second_one_refused(
    app: App, get: Ask, post: Ask, pictures: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert post("describe/control", {"action": "stop"}).status_code == 409
    answers, session = list[Any](), app.host.training_session
    asked = {"pictures": str(pictures), **QUICK}

    def asking(request: Any) -> Any:
        if request.vectors == 2:
            answers.append(post("describe/start", asked))
            answers.append(post("describe/control", {"action": "stop"}))
        return session(request)

    monkeypatch.setattr(app.host, "training_session", asking)
    post("describe/start", asked)
    wait(app)
    assert [answer.status_code for answer in answers] == [409, 200]
    told = get("describe/status").json()
    assert told["state"] == "stopped"
    assert told["description"]["stopped"]
    assert len(told["description"]["words"]) == 1


def test_why_a_search_failed_is_told(app: App, get: Ask, post: Ask, pictures: Path) -> None:
    (pictures / "0.png").write_bytes(b"broken")
    post("describe/start", {"pictures": str(pictures), **QUICK})
    wait(app)
    told = get("describe/status").json()
    assert told["state"] == "failed"
    assert told["failure"]["faults"][0]["where"] == "0.png"
