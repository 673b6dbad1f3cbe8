"""What README, docs and examples tell people to type is typed here: commands on the demo models, requests to a served API."""

import json
import re
import shlex
import shutil
import time
from pathlib import Path
from typing import Any

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient

from lib_ti.adapters.detect import open_standalone
from lib_ti.api.routes import PREFIX, add_routes
from lib_ti.api.security import Access
from lib_ti.app import App
from lib_ti.cli.flags import load_settings
from lib_ti.cli.main import main
from lib_ti.config.options import build_config
from lib_ti.config.train import TrainConfig
from tests.docs import DOCS, PAGES, ROOT
from tests.test_docs import examples

EXAMPLES = sorted((ROOT / "examples").glob("*.yaml"))
PICTURES = ROOT / "lib_ti" / "demo" / "pictures"
STAND_INS = {"my-model.safetensors": "demo", "new-finetune.safetensors": "demo-xl"}
"""For checkpoints that the reader has."""
SHORTER = {"train": ["--steps", "2", "--preview-every", "0"], "demo": ["--steps", "4"], "generate": ["--steps", "2"]}
LIVE = ("ui",)
"""Goes on until it is stopped: `tests/cli/test_ui.py` runs it."""


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with what the reader of the docs has."""
    desk = tmp_path_factory.mktemp("desk")
    for folder in ("photos", "my-pictures", "lib_ti/demo/pictures"):
        shutil.copytree(PICTURES, desk / folder)
    shutil.copytree(ROOT / "examples", desk / "examples")
    (desk / "my-folder").mkdir()
    for copy in ("my-folder/one.pt", "other.pt"):
        shutil.copy(ROOT / "tests" / "data" / "a1111-sd1.pt", desk / copy)
    return desk


def run(command: str, capsys: pytest.CaptureFixture[str]) -> tuple[int, str]:
    words = [STAND_INS.get(word, word) for word in shlex.split(command)]
    try:
        code = main([*words, *SHORTER.get(words[0], [])])
    except SystemExit as exit_:
        code = int(exit_.code or 0)
    printed = capsys.readouterr()
    return code, printed.out + printed.err


@pytest.mark.slow
def test_every_command_of_the_docs_does_what_it_says(
    desk: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(desk)
    first = DOCS / "cli.md"  # makes what the others use
    compared = 0
    for page in (first, *(page for page in PAGES if page != first)):
        text = page.read_text(encoding="utf-8")
        for command in examples(text):
            if command.split()[0] in LIVE:
                continue
            code, printed = run(command, capsys)
            shown = re.search(rf"^\$ python -m lib_ti {re.escape(command)}\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
            fails = bool(shown and "Error:" in shown[1])
            assert code == (2 if fails else 0), f"{page.name}: {command}\n{printed}"
            if shown and command.startswith(("merge", "generate")):
                assert printed == shown[1]
                compared += 1
    assert compared == 2


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_an_example_holds_settings_that_exist(path: Path) -> None:
    given = {"embedding.name": "foo", "data.folder": "pictures"}
    build_config(TrainConfig, {**given, **load_settings(path)})


@pytest.mark.slow
@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_an_example_trains(
    path: Path, desk: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """By the commands that stand in it."""
    monkeypatch.chdir(desk)
    comments = re.sub(r"^# ?", "", path.read_text(encoding="utf-8"), flags=re.MULTILINE)
    found = examples(re.sub(r"^ +", "", comments, flags=re.MULTILINE))
    assert found
    for number, command in enumerate(found):
        apart = ["--out", f"out-{path.stem}"] if command.startswith("train") else ["--embeddings", f"out-{path.stem}"]
        code, printed = run(shlex.join([*shlex.split(command), *apart]), capsys)
        assert code == 0, f"{number}: {command}\n{printed}"


@pytest.mark.slow
def test_every_request_of_the_docs_is_answered(tmp_path: Path) -> None:
    embeddings = tmp_path / "embeddings"
    shutil.copytree(PICTURES, embeddings / "my-cat-pictures")
    app, server = App(open_standalone("demo", "cpu", "fp32", embeddings, tmp_path / "logs")), FastAPI()
    add_routes(server, app, Access())
    client = TestClient(server)
    asked = requests((DOCS / "api.md").read_text(encoding="utf-8"))
    assert len(asked) > 8
    for path, body in asked:
        if path == "train/preview":
            wait_until(lambda: app.jobs.snapshot.previews)
        address = f"{PREFIX}/{path}"
        answer = client.get(address) if body is None else client.post(address, json=body)
        assert answer.status_code < 300, f"{path}: {answer.text}"
    assert app.jobs.current is not None
    assert app.jobs.current.wait(60)
    assert app.jobs.snapshot.state == "stopped"


def requests(text: str) -> list[tuple[str, Any]]:
    """(path, body) of each line `api PATH -d BODY`."""
    (block,) = re.findall(r"^```sh\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
    found = []
    for words in re.findall(r"^api (?!\()(.+?)(?=^api |\Z)", block.partition("}\n")[2], re.MULTILINE | re.DOTALL):
        path, *more = shlex.split(words)
        found.append((path, json.loads(more[more.index("-d") + 1]) if "-d" in more else None))
    return found


def wait_until(true: Any, seconds: float = 60) -> None:
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end
        time.sleep(0.05)
