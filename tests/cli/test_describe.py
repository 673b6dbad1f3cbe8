"""`describe`: a user of the command line loses the words of a model for pictures, or what they cost."""

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from lib_ti.cli.console import STOPPED
from lib_ti.events import Status, Warned
from tests.cli.conftest import Opened

Command = Callable[..., tuple[int, str, str]]
QUICK = ("--words", "2", "--candidates", "4", "--samples", "4")


def test_words_figures_cost_and_expression_are_told(command: Command, pictures: Path) -> None:
    code, out, _ = command("describe", pictures, *QUICK)
    assert code == 0
    assert "Loss with 'thing'" in out
    assert "word" in out.splitlines()[1]
    assert "4 pictures; as much work as learning from " in out
    assert "As an expression: ''," in out  # the toy host's tokens cannot be typed


def test_a_program_is_told_the_same_as_one_object(command: Command, pictures: Path, hosts: list[Opened]) -> None:
    code, out, err = command("describe", pictures, *QUICK, "--json", "--model", "demo-xl")
    told = json.loads(out)
    assert code == 0
    assert err == ""
    assert hosts[0].asked[0] == "demo-xl"
    assert told["folder"] == str(pictures)
    assert told["share"] == pytest.approx(sum(word["share"] for word in told["words"]))
    assert {"token", "text", "loss", "share", "others"} == told["words"][0].keys()
    assert told["expression"]


def test_wrong_settings_are_told_by_flag_before_the_model_is_read(
    command: Command, pictures: Path, hosts: list[Opened]
) -> None:
    code, _, err = command("describe", pictures, "--words", "0", "--prompt", "a photo")
    assert code == 2
    assert "--words" in err
    assert "--prompt" in err
    assert not hosts


def test_a_folder_that_is_none_is_told_by_its_place(command: Command) -> None:
    code, _, err = command("describe", "nowhere")
    assert code == 2
    assert "DIR:" in err


def test_a_search_that_is_stopped_tells_what_it_found(
    command: Command, pictures: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from lib_ti.training import describe

    def stopping(self: Any, session: Any, tried: int, tell: Any = describe._Search.tell) -> None:
        tell(self, session, tried)
        if len(self.found.words) == 1:
            self.control.stop()

    monkeypatch.setattr(describe._Search, "tell", stopping)
    code, out, _ = command("describe", pictures, *QUICK)
    assert code == STOPPED
    assert "Stopped before the search was done." in out
    assert "As an expression" in out


def test_words_that_say_no_more_than_the_neutral_one_are_told_as_such(
    command: Command, pictures: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from lib_ti.training import describe

    def worse(self: Any, session: Any, token: int, loss_with: Any = describe._Search.loss_with) -> float:
        return float(loss_with(self, session, token)) + 100

    monkeypatch.setattr(describe._Search, "loss_with", worse)
    code, out, _ = command("describe", pictures, *QUICK)
    assert code == 0
    assert "They say no more of the pictures than 'thing'." in out


def test_progress_is_one_line_of_a_terminal_and_warnings_stay(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from lib_ti.cli.describe import _Progress

    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    progress = _Progress()
    for event in (Status("Word 1 of 2: 3 of 4 compared"), Warned("odd"), Status("Word 2")):
        progress(event)
    progress.wipe()
    told = capsys.readouterr().err
    assert told.startswith("Word 1 of 2: 3 of 4 compared\r")
    assert "Warning: odd\n" in told
    assert told.endswith("Word 2\r      \r")
