"""What a run prints: people watch it for an hour, programs read it line by line."""

import io
import json
from pathlib import Path

from lib_ti.cli.console import Console, JsonLines, event_values
from lib_ti.events import Failed, Finished, Planned, Status, StepDone, Warned


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def step(number: int, loss: float = 0.5) -> StepDone:
    return StepDone(number, 10, 0, 0, loss, 0.005, {"clip_l": 0.4}, 1, 0.1)


def test_on_a_terminal_a_bar_shows_loss_rate_and_time_left() -> None:
    out, bar = Terminal(), Terminal()
    console = Console(out, bar)
    for number in range(1, 11):
        console(step(number))
    console(Finished(10, Path("foo.safetensors")))
    assert "10/10" in bar.getvalue()
    assert "loss=0.5" in bar.getvalue()
    assert "rate=0.005" in bar.getvalue()
    assert "step" not in out.getvalue().replace("at step 10", "")
    assert "Finished at step 10: foo.safetensors" in out.getvalue()


def test_a_status_on_a_terminal_leaves_no_rest_behind() -> None:
    out = Terminal()
    console = Console(out, out)
    console(Status("Encoding picture 1 of 8", 0.1))
    console(Warned("small"))
    assert out.getvalue().endswith("\r" + " " * 23 + "\rWarning: small\n")


def test_in_a_file_progress_is_a_line_now_and_then() -> None:
    out, bar = io.StringIO(), io.StringIO()
    console = Console(out, bar)
    console(Planned("foo", "m", 0, 10, ("Rate: 0.005",), Path("run")))
    console(Status("Encoding picture 1 of 8", 0.1))
    for number in range(1, 11):
        console(step(number, float("nan") if number == 10 else 0.5))
    lines = out.getvalue().splitlines()
    assert lines[0] == "Rate: 0.005"
    assert lines[1].startswith("step 10/10  loss nan  rate 0.005")
    assert len(lines) == 2
    assert bar.getvalue() == ""


def test_json_lines_are_strict_json() -> None:
    out = io.StringIO()
    listen = JsonLines(out)
    listen(step(1, float("nan")))
    listen(Failed("bad", "do this"))
    first, second = (json.loads(line, parse_constant=lambda _: 1 / 0) for line in out.getvalue().splitlines())
    assert first["loss"] is None
    assert first["norms"] == {"clip_l": 0.4}
    assert second == {"event": "Failed", "message": "bad", "hint": "do this", "expected": True, "details": ""}


def test_paths_are_text() -> None:
    assert event_values(Finished(1, Path("a"), stopped=True)) == {
        "event": "Finished", "step": 1, "path": "a", "stopped": True
    }  # fmt: skip
