"""A program loses: a training that it can start, watch, steer, and take up again."""

import os
import threading
import time
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from lib_ti.app import App
from lib_ti.config.train import TrainConfig
from lib_ti.dataset.picture import load_image
from lib_ti.errors import HostError
from lib_ti.formats.files import load_embedding
from tests.api.conftest import Ask, wheres

SOON = 20.0


@pytest.fixture
def settings(pictures: Path) -> dict[str, Any]:
    return {
        "embedding": {"name": "moth", "init": "red"},
        "data": {"folder": str(pictures), "template": "subject"},
        "optim": {"steps": 12},
        "preview": {"every": 6},
        "run": {"seed": 3},
    }


def finish(app: App) -> None:
    assert app.jobs.current is not None
    assert app.jobs.current.wait(SOON)


def test_preflight_says_what_would_be_done_and_does_nothing(post: Ask, app: App, settings: dict[str, Any]) -> None:
    plan = post("train/preflight", settings).json()
    assert (plan["first_step"], plan["last_step"], plan["pictures"]) == (0, 12, 4)
    assert plan["embedding"] == str(app.host.embeddings_folder() / "moth.safetensors")
    assert app.jobs.current is None


def test_a_run_can_be_started_watched_and_resumed(post: Ask, get: Ask, app: App, settings: dict[str, Any]) -> None:
    assert get("train/status").json()["state"] == "idle"
    assert get("train/preview").status_code == 404
    started = post("train/start", settings)
    assert started.status_code == 202, started.text
    finish(app)
    status = get("train/status").json()
    assert (status["state"], status["step"], status["active"]) == ("finished", 12, False)
    assert load_embedding(Path(status["result"])).step == 12
    assert [point["step"] for point in status["losses"]] == list(range(1, 13))
    assert [point["step"] for point in get("train/status", since=10).json()["losses"]] == [11, 12]
    assert get("train/preview").content == Path(status["preview"]["file"]).read_bytes()
    assert get("train/preview", step=6).content.startswith(b"\x89PNG")
    assert get("train/preview", step=7).status_code == 404
    log = get("train/log").json()
    assert [preview["step"] for preview in log["previews"]] == [0, 6, 12]
    assert log["settings"]["optim.steps"] == 12
    assert any("Pictures: 4" in line for line in log["plan"])
    assert str(status["result"]) in [saved["file"] for saved in log["saved"]]

    assert post("train/start", settings).status_code == 409, "a trained embedding is not trained over unasked"
    again = {**settings, "embedding": {"name": "moth", "resume": True}, "optim": {"steps": 15}}
    assert post("train/start", again).status_code == 202
    finish(app)
    status = get("train/status").json()
    assert (status["first_step"], status["step"]) == (12, 15)


def test_a_run_can_be_steered(post: Ask, get: Ask, app: App, settings: dict[str, Any]) -> None:
    long = {**settings, "optim": {"steps": 100_000}, "preview": {"every": 0}, "save": {"every": 0}}
    assert post("train/start", long).status_code == 202
    assert post("train/start", {**long, "embedding": {"name": "other", "init": "red"}}).json()["error"] == "Busy"

    def until(reached: Any) -> dict[str, Any]:
        end = time.monotonic() + SOON
        while not reached(status := get("train/status", since=10**6).json()):
            assert time.monotonic() < end, status
            time.sleep(0.01)
        return status

    until(lambda status: status["step"] > 0)
    assert post("train/control", {"action": "pause"}).status_code == 200
    paused = until(lambda status: status["state"] == "paused")
    time.sleep(0.05)
    assert get("train/status").json()["step"] == paused["step"]
    post("train/control", {"action": "preview_now"})
    post("train/control", {"action": "save_now"})
    post("train/control", {"action": "continue"})
    until(lambda status: status["preview"])
    assert post("inspect", {"typed": "'red'", "same_as": "red"}).status_code == 409
    post("train/control", {"action": "stop"})
    finish(app)
    assert until(lambda status: status["state"] == "stopped")["result"]
    assert {"copy", "embedding"} <= {saved["kind"] for saved in get("train/log").json()["saved"]}
    after = post("train/control", {"action": "stop"})
    assert after.status_code == 409
    assert wheres(post("train/control", {"action": "dance"})) == {"action"}


def test_faulty_pictures_are_all_told_before_anything_is_written(
    post: Ask, get: Ask, app: App, settings: dict[str, Any], pictures: Path
) -> None:
    for name in ("0.png", "1.png"):
        (pictures / name).write_bytes(b"junk")
    answer = post("train/preflight", settings)
    assert answer.status_code == 422
    assert wheres(answer) == {"0.png", "1.png"}
    assert app.jobs.current is None
    assert post("train/start", settings).status_code == 202
    finish(app)
    status = get("train/status").json()
    assert (status["state"], status["failure"]["expected"]) == ("failed", True)
    assert {fault["where"] for fault in status["failure"]["faults"]} == {"0.png", "1.png"}
    assert "0.png" in status["failure"]["message"]
    assert not [*app.host.log_folder().iterdir(), *app.host.embeddings_folder().iterdir()]


def test_what_needs_no_picture_opened_is_refused_at_once(
    post: Ask, app: App, settings: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    opened = count_decodings(monkeypatch)
    (app.host.folder / "templates").mkdir()  # type: ignore[attr-defined]
    (app.host.folder / "templates" / "bare.txt").write_text("")  # type: ignore[attr-defined]
    (app.host.embeddings_folder() / "broken.pt").write_bytes(b"junk")
    for part, field, value, where in (
        ("embedding", "name", "a/b", "embedding.name"),
        ("data", "template", "bare", "data.template"),
        ("data", "width", 65, "data.width"),
        ("data", "folder", str(app.host.log_folder()), "data.folder"),
        ("optim", "lr", "x", "optim.lr"),
        ("embedding", "name", "broken", str(app.host.embeddings_folder() / "broken.pt")),
    ):
        changed = {**settings, part: {**settings[part], field: value}}
        if field == "width":
            changed["data"]["height"] = 64
        answer = post("train/start", changed)
        assert answer.status_code == 422, (field, answer.text)
        assert where in wheres(answer), field
    monkeypatch.setattr(app.host, "model", lambda: fail(HostError("No model yet.")))
    assert post("train/start", settings).status_code == 503
    assert (app.jobs.current, opened) == (None, [])


def test_a_start_reads_its_settings_once_and_each_picture_twice_and_does_not_wait_for_them(
    post: Ask, get: Ask, app: App, settings: dict[str, Any], pictures: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Measured before: four times, three times, and the request waited for the pictures."""
    built = []
    check = TrainConfig.check
    monkeypatch.setattr(TrainConfig, "check", lambda config: built.append(config) or check(config))
    go_on = threading.Event()
    opened = count_decodings(monkeypatch, go_on)
    answer = post("train/start", settings)
    assert answer.status_code == 202, answer.text
    assert answer.json()["state"] == get("train/status").json()["state"] == "planning", "while a picture is decoded"
    go_on.set()
    finish(app)
    assert get("train/status").json()["state"] == "finished"
    assert Counter(opened) == dict.fromkeys(pictures.iterdir(), 2)
    assert len(built) == 1, "build_config asks each config that it has built"


def fail(error: Exception) -> Any:
    raise error


def count_decodings(monkeypatch: pytest.MonkeyPatch, go_on: threading.Event | None = None) -> list[Path]:
    """The pictures that are decoded from now on, once for each time; the decoding waits for `go_on`."""
    opened = []

    def load(path: Path) -> Any:
        opened.append(path)
        assert go_on is None or go_on.wait(SOON)
        return load_image(path)

    for module in ("picture", "scan"):
        monkeypatch.setattr(f"lib_ti.dataset.{module}.load_image", load)
    return opened


def test_a_failed_run_says_so(post: Ask, get: Ask, app: App, settings: dict[str, Any]) -> None:
    app.host.spoil_at = 3  # type: ignore[attr-defined]
    post("train/start", settings)
    finish(app)
    status = get("train/status").json()
    assert status["state"] == "failed"
    assert status["failure"]["message"]
    assert status["failure"]["expected"]


def test_a_template_is_named_or_lies_in_a_folder_of_ours(
    post: Ask, app: App, settings: dict[str, Any], tmp_path: Path
) -> None:
    def with_template(name: str) -> Any:
        return post("train/preflight", {**settings, "data": {**settings["data"], "template": name}})

    own = tmp_path / "templates" / "mine.txt"
    own.parent.mkdir()
    own.write_text("a picture of [name]")
    secret = tmp_path / "secret.txt"
    secret.write_text("a secret of [name]")
    for good in ("mine", "mine.txt", str(own), "subject.txt"):
        assert with_template(good).status_code == 200, good
    quoted = (f'"{secret}"', f'{secret} "', f'" {secret} "', f'{secret}\u00a0"')  # blanks inside of the quotes
    for bad in (str(secret), *quoted, f" {secret} ", f"{secret}/.", "../secret.txt", "~/secret.txt", "secret"):
        assert with_template(bad).status_code == 422, bad


def test_quotes_do_not_lead_by_way_of_a_link(
    post: Ask, settings: dict[str, Any], pictures: Path, tmp_path: Path
) -> None:
    (pictures / "link").symlink_to(tmp_path)
    for bad in ("link", 'link"', 'link" /.'):
        answer = post("train/preflight", {**settings, "data": {"folder": f"{pictures}/{bad}"}})
        assert "the API does not reach" in answer.text, bad


def test_a_picture_whose_name_is_no_text_is_told(post: Ask, settings: dict[str, Any], pictures: Path) -> None:
    Path(os.fsdecode(os.fsencode(pictures) + b"/x\xff.png")).write_bytes(b"no picture")
    answer = post("train/preflight", settings)
    assert answer.status_code == 422
    assert wheres(answer) == {"x?.png"}


def test_further_folders_and_what_their_lines_name_lie_where_they_may(
    post: Ask, settings: dict[str, Any], pictures: Path, tmp_path: Path
) -> None:
    def told(more: Any) -> tuple[int, Any]:
        data = {**settings["data"], "more": more}
        answer = post("train/preflight", {**settings, "data": data})
        return answer.status_code, answer.json()

    (pictures / "more").mkdir()
    (pictures / "more" / "x.png").write_bytes(next(pictures.glob("*.png")).read_bytes())
    (tmp_path / "secret").mkdir()
    (tmp_path / "secret" / "own.txt").write_text("a secret of [name]")
    (tmp_path / "secret" / "x.png").write_bytes(next(pictures.glob("*.png")).read_bytes())
    for good in ([f"{pictures}/more; repeats=3"], f"{pictures}/more;mask_folder={pictures}/more;template=none"):
        status, answer = told(good)
        assert status == 200, answer
    bad = [
        *(f"{tmp_path}/secret", f'"{tmp_path}/secret"', f"{pictures}/more/../../secret", "~/secret"),
        *(
            f"{pictures}/more; {name}={tmp_path}/secret"
            for name in ("mask_folder", "data.mask_folder", " mask_folder ")
        ),
        *(f"{pictures}/more; template={quote}{tmp_path}/secret/own.txt{quote}" for quote in ("", '"', ' "')),
    ]
    for line in bad:
        for more in (line, [f"{pictures}/more", line], f"\n{line}\n"):
            status, answer = told(more)
            assert status == 422, more
            assert {fault["where"] for fault in answer["faults"]} == {"data.more"}
            assert "a secret" not in str(answer["faults"])


def test_class_pictures_lie_where_pictures_may_and_no_link_leads_out(
    post: Ask, settings: dict[str, Any], pictures: Path, tmp_path: Path
) -> None:
    for folder in (pictures / "reg" / "1_cat", tmp_path / "1_secret"):
        folder.mkdir(parents=True)
        (folder / "x.png").write_bytes(next(pictures.glob("*.png")).read_bytes())

    def told(folder: Path) -> tuple[int, Any]:
        answer = post("train/preflight", {**settings, "data": {**settings["data"], "class_folder": str(folder)}})
        return answer.status_code, answer.json()

    status, answer = told(pictures / "reg")
    assert status == 200, answer
    assert any("Class pictures: 1" in line for line in answer["lines"])
    status, answer = told(tmp_path)
    assert (status, [fault["where"] for fault in answer["faults"]]) == (422, ["data.class_folder"])
    (pictures / "reg" / "1_cat" / "x.txt").symlink_to(tmp_path / "1_secret" / "x.txt")
    (tmp_path / "1_secret" / "x.txt").write_text("a secret cat")
    status, answer = told(pictures / "reg")
    assert (status, [fault["where"] for fault in answer["faults"]]) == (422, ["data.class_folder"])
    assert "a secret" not in str(answer)


@pytest.mark.parametrize("place", ["", "2_cat"], ids=["in the folder", "in a folder in it"])
@pytest.mark.parametrize("name", ["9.png", "9.txt", "9.caption", "9-masklabel.png"])
def test_a_link_out_of_the_folder_of_pictures_is_not_followed(
    post: Ask, settings: dict[str, Any], pictures: Path, tmp_path: Path, place: str, name: str
) -> None:
    """A request would learn what a picture or a text elsewhere on this machine shows."""
    (tmp_path / "secret").mkdir()
    first = next(pictures.glob("*.png"))
    (tmp_path / "secret" / "9.png").write_bytes(first.read_bytes())
    for caption in ("9.txt", "9.caption"):
        (tmp_path / "secret" / caption).write_text("a secret")
    Image.new("L", Image.open(first).size, 255).save(tmp_path / "secret" / "9-masklabel.png")
    (pictures / place).mkdir(exist_ok=True)
    (pictures / place / "9.png").write_bytes(first.read_bytes())
    (pictures / place / name).unlink(missing_ok=True)
    (pictures / place / name).symlink_to(tmp_path / "secret" / name)
    (pictures / "twin.png").symlink_to(first.name)  # a link inside is as good as a file
    for route in ("train/preflight", "train/start"):
        answer = post(route, settings)
        assert answer.status_code == 422
        assert [fault["where"] for fault in answer.json()["faults"]] == ["data.folder"]
        assert name in answer.json()["detail"]
        assert "a secret" not in answer.text
    (pictures / place / name).unlink()
    assert post("train/preflight", settings).status_code == 200
