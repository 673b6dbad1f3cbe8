"""A program loses: making and seeing embeddings with right answers, right statuses and every fault by its field."""

from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient

from lib_ti.api.routes import PREFIX
from lib_ti.app import App
from lib_ti.errors import HostError, UnsupportedModel
from lib_ti.formats.files import load_embedding
from tests.api.conftest import Ask, wheres


def test_the_model_is_told_and_503_where_there_is_none(get: Ask, app: App, monkeypatch: pytest.MonkeyPatch) -> None:
    assert get("model").json() == {
        "name": "toy",
        "short_hash": "0123456789",
        "family": "sd1",
        "encoders": [{"name": "clip_l", "width": 6}],
        "prediction_type": "epsilon",
        "native_size": 64,
    }
    for error in (HostError("No model yet.", "Wait."), UnsupportedModel("Not that one.", "Choose.")):

        def none(error: Exception = error) -> None:
            raise error

        monkeypatch.setattr(app.host, "model", none)
        answer = get("model")
        assert answer.status_code == 503
        assert answer.json()["error"] == type(error).__name__
        assert answer.json()["hint"] == error.hint  # type: ignore[attr-defined]


def test_an_embedding_is_created_once(post: Ask, app: App) -> None:
    answer = post("create", {"name": "moth", "init": "red", "vectors": 2})
    assert answer.status_code == 201, answer.text
    made = Path(answer.json()["file"])
    assert made == app.host.embeddings_folder() / "moth.safetensors"
    assert load_embedding(made).rows == answer.json()["vectors"] == 2
    again = post("create", {"name": "moth", "init": "red"})
    assert again.status_code == 409
    assert again.json()["error"] == "EmbeddingExists"
    assert post("create", {"name": "moth", "init": "red", "overwrite": True}).status_code == 201


def test_every_fault_is_told_at_once_by_its_field(post: Ask) -> None:
    answer = post("create", {"vectors": 76, "source": "ether", "folder": "../x", "vektors": 1})
    assert answer.status_code == 422
    assert wheres(answer) == {"name", "vectors", "source", "folder", "vektors"}
    hints = {fault["where"]: fault["hint"] for fault in answer.json()["faults"]}
    assert hints["vektors"] == "did you mean vectors?"
    train = post("train/preflight", {"optim": {"lr": "x", "steps": "many"}, "data.width": 64})
    assert train.status_code == 422
    assert wheres(train) == {"optim.lr", "optim.steps", "data.height", "data.folder", "embedding.name"}


@pytest.mark.parametrize("wrong", [[1], {"name": ["a"]}, {"name": {"a": 1}}, {"name": None}, 3, "text"])
def test_json_of_another_shape_is_refused(post: Ask, wrong: Any) -> None:
    answer = post("create", wrong)
    assert answer.status_code == 422
    assert answer.json()["faults"]


def test_what_is_not_json_is_refused(client: TestClient) -> None:
    for kind, status in (("application/json", 422), ("text/plain", 415), ("", 415)):
        headers = {"content-type": kind} if kind else {}
        answer = client.post(f"{PREFIX}/create", content=b'{"name": "moth"', headers=headers)
        assert answer.status_code == status, kind
    whole = client.post(f"{PREFIX}/create", content=b'{"name": "moth"}', headers={"content-type": "text/plain"})
    assert whole.status_code == 415, "a web page could send that from a stranger's site"


def test_an_expression_is_checked_and_merged(post: Ask, app: App) -> None:
    good = post("merge/check", {"expression": "'red round'*0.5"}).json()
    assert (good["rows"], good["error"]) == (2, "")
    bad = post("merge/check", {"expression": "'red' + + 'round'"})
    assert bad.status_code == 200
    assert bad.json()["rows"] is None
    assert "^" in bad.json()["error"]
    answer = post("merge", {"expression": "'red round'*0.5", "name": "moth"})
    assert answer.status_code == 201
    (made,) = answer.json()
    assert load_embedding(Path(made["file"])).rows == 2
    wrong = post("merge", {"expression": "'red' +", "name": "other"})
    assert wrong.status_code == 422
    assert wrong.json()["error"] == "InvalidText"
    assert wrong.json()["span"] == [7, 7]
    assert post("merge", {"expression": "'red'", "name": "moth"}).status_code == 409


def test_an_embedding_is_seen_compared_drawn_and_explained(post: Ask) -> None:
    post("merge", {"expression": "'red round'", "name": "moth"})
    answer = post(
        "inspect", {"file": "moth.safetensors", "nearest": 2, "other": "'red'*2", "same_as": "red round", "by": "none"}
    )
    assert answer.status_code == 200, answer.text
    seen = answer.json()
    assert seen["encoders"][0]["rows"][0]["nearest"][0]["cosine"] == pytest.approx(1)
    assert len(seen["encoders"][0]["rows"][0]["nearest"]) == 2
    assert len(seen["lines"]) == 1
    assert seen["compared"]["clip_l"][0]["cosine"] == pytest.approx(1)
    assert post("inspect", {"typed": "red round", "by": "tokens"}).json()["lines"][1]["vectors"] == 1
    drawn = post("inspect/heatmap", {"typed": "'red'", "dark": True})
    assert drawn.headers["content-type"] == "image/png"
    assert drawn.content.startswith(b"\x89PNG")
    assert post("decompose", {"file": "moth.safetensors", "most": 1}).json()["residuals"]["clip_l"] == pytest.approx(
        [0, 0], abs=1e-9
    )


def test_an_embedding_is_told_by_file_or_by_text_and_not_by_both(post: Ask) -> None:
    for path in ("inspect", "inspect/heatmap", "decompose"):
        assert wheres(post(path, {})) == {"file"}
        assert post(path, {"file": "a.pt", "typed": "a"}).status_code == 422
        assert post(path, {"file": "missing.pt"}).status_code == 404
    assert post("inspect", {"typed": "'red'", "other": "missing.pt"}).status_code == 404


def test_a_broken_file_is_told_with_its_path(post: Ask, app: App) -> None:
    (app.host.embeddings_folder() / "broken.pt").write_bytes(b"junk")
    answer = post("inspect", {"file": "broken.pt"})
    assert answer.status_code == 422
    assert wheres(answer) == {str(app.host.embeddings_folder() / "broken.pt")}


def test_half_characters_are_answered(client: TestClient) -> None:
    answer = client.post(
        f"{PREFIX}/merge", content=b'{"expression": "\'a\' + \\ud800", "name": "moth"}', headers={"content-type": "application/json"}
    )  # fmt: skip
    assert answer.status_code == 422


def test_a_file_is_converted_into_another_form(post: Ask, app: App) -> None:
    post("create", {"name": "moth", "init": "red"})
    answer = post("convert", {"file": "moth.safetensors", "to": "png", "folder": "cards"})
    assert answer.status_code == 201, answer.text
    (made,) = answer.json()["written"]
    assert made["file"] == str(app.host.embeddings_folder() / "cards" / "moth.png")
    assert load_embedding(Path(made["file"])).rows == 1
    again = {"file": "moth.safetensors", "to": "png", "folder": "cards"}
    assert post("convert", again).status_code == 409
    assert "exists" in post("convert", again).text
    assert post("convert", {**again, "overwrite": True}).status_code == 201
    (app.host.embeddings_folder() / "broken.pt").write_bytes(b"junk")
    assert post("convert", {"file": "broken.pt"}).status_code == 422
