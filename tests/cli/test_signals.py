"""Hours of work hang on what the program does when it is to end: by Ctrl-C, by the system, by a closed terminal, or because
nobody reads its output any more."""

from __future__ import annotations

import json
import os
import signal
import struct
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from lib_ti.cli import remake
from lib_ti.cli.console import on_signals
from lib_ti.formats.files import load_embedding
from lib_ti.ui import compat
from tests.cli.test_ui import free_port
from tests.cli.toy_line import ROOT

pytestmark = pytest.mark.skipif(os.name == "nt", reason="Windows sends no signals to other processes")
OWN_GRADIO = pytest.mark.skipif(compat.MAJOR < 6, reason="the page by itself is made for a current gradio")
PATIENCE = 120.0
TRAINING = ["--name", "foo", "--init", "round", "--template", "subject", "--steps", "100000", "--seed", "1"]
TRAINING += ["--preview-every", "0", "--save-every", "0", "--out", "out"]

Start = Callable[..., "subprocess.Popen[str]"]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """Start a command line over the toy host; what has not ended by then is killed."""
    begun: list[subprocess.Popen[str]] = []

    def start_(*argv: str | Path, pace: str = "0.01", wait: str = "", **more: Any) -> subprocess.Popen[str]:
        command = [sys.executable, str(ROOT / "tests" / "cli" / "toy_line.py"), *map(str, argv)]
        pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
        environment = {**os.environ, "OMP_NUM_THREADS": "1", "TOY_PACE": pace}
        if wait:
            environment["TOY_WAIT"] = wait
        # As in a terminal, also where the tests themselves were started by nohup.
        heard: dict[str, Any] = {"preexec_fn": lambda: signal.signal(signal.SIGHUP, signal.SIG_DFL)}
        begun.append(subprocess.Popen(command, cwd=tmp_path, text=True, env=environment, **{**heard, **pipes, **more}))
        return begun[-1]

    yield start_
    for process in begun:
        process.kill()
        process.communicate()


def read_until(process: subprocess.Popen[str], wanted: str) -> None:
    assert process.stdout
    impatience = threading.Timer(PATIENCE, process.kill)
    impatience.start()
    try:
        for line in process.stdout:
            if wanted in line:
                return
    finally:
        impatience.cancel()
    pytest.fail(f"never said {wanted!r}: {process.stderr.read() if process.stderr else ''}")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, getattr(signal, "SIGHUP", None)])
def test_a_training_that_is_to_end_is_saved_and_tells_how_to_go_on(
    start: Start, pictures: Path, tmp_path: Path, number: int
) -> None:
    process = start("train", "--json", "--data", pictures, *TRAINING)
    read_until(process, '"StepDone"')
    process.send_signal(number)
    out, err = process.communicate(timeout=PATIENCE)
    assert process.returncode == 130
    assert json.loads(out.splitlines()[-1])["stopped"]
    assert "To go on: " in err
    assert load_embedding(tmp_path / "out" / "foo.safetensors").step > 0


def test_a_terminal_that_is_closed_may_say_so_twice(start: Start, pictures: Path, tmp_path: Path) -> None:
    """The system and the shell both do; and both streams lead nowhere then."""
    import fcntl
    import termios

    master, terminal = os.openpty()
    fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("4H", 24, 100, 0, 0))  # without a width there is no bar
    process = start("train", "--data", pictures, *TRAINING, stdin=terminal, stdout=terminal, stderr=terminal)
    os.close(terminal)
    shown = b""
    while b"/100000 [" not in shown:
        shown += os.read(master, 65536)
    os.close(master)
    process.send_signal(signal.SIGHUP)
    process.send_signal(signal.SIGHUP)
    process.wait(PATIENCE)
    assert process.returncode == 130
    assert load_embedding(tmp_path / "out" / "foo.safetensors").step > 0


def test_nohup_keeps_a_training_alive(start: Start, pictures: Path) -> None:
    process = start(
        "train",
        "--json",
        "--data",
        pictures,
        *TRAINING,
        preexec_fn=lambda: signal.signal(signal.SIGHUP, signal.SIG_IGN),
    )
    read_until(process, '"StepDone"')
    process.send_signal(signal.SIGHUP)
    for _ in range(100):  # a second of updates
        read_until(process, '"StepDone"')
    assert process.poll() is None


@pytest.mark.parametrize(("form", "line"), [(["--json"], '"StepDone"'), ([], "Saved")])
def test_a_training_whose_reader_is_gone_is_saved_and_says_so(
    start: Start, pictures: Path, tmp_path: Path, form: list[str], line: str
) -> None:
    """`train | head`."""
    process = start("train", *form, "--data", pictures, *TRAINING, "--save-every", "20")
    read_until(process, line)
    assert process.stdout
    process.stdout.close()
    assert process.stderr
    err = process.stderr.read()
    assert process.wait(PATIENCE) == 130
    assert "output cannot be written" in err
    assert "To go on: " in err
    assert "Traceback" not in err
    assert load_embedding(tmp_path / "out" / "foo.safetensors").step > 0


@pytest.mark.parametrize("number", [signal.SIGTERM, getattr(signal, "SIGHUP", None)])
def test_other_commands_end_as_by_ctrl_c(start: Start, number: int) -> None:
    """Which removes what is half-written, where the system's own way would leave it."""
    process = start("merge", "'red'", "--name", "foo", wait="60")
    read_until(process, "Opening")
    process.send_signal(number)
    _, err = process.communicate(timeout=PATIENCE)
    assert process.returncode == 130
    assert "Interrupted." in err


def test_making_again_ends_after_the_file_in_progress(
    tmp_path: Path, command: Callable[..., tuple[int, str, str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("one", "two", "three"):
        assert command("create", "--name", name, "--init", "red", "--out", tmp_path / "old")[0] == 0

    tell = remake._tell

    def tell_and_end(one: Any, as_json: bool) -> None:
        tell(one, as_json)
        signal.raise_signal(signal.SIGTERM)

    monkeypatch.setattr(remake, "_tell", tell_and_end)
    code, out, _ = command("again", *sorted((tmp_path / "old").glob("*.safetensors")), "--out", tmp_path / "new")
    assert code == 130
    assert "1 made again" in out
    assert len(list((tmp_path / "new").iterdir())) == 1


@OWN_GRADIO
@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, getattr(signal, "SIGHUP", None)])
def test_the_tab_saves_its_run_before_it_ends(start: Start, tmp_path: Path, pictures: Path, number: int) -> None:
    process, port = start_tab(start)
    begin_run(port, tmp_path, pictures)
    process.send_signal(number)
    _, err = process.communicate(timeout=PATIENCE)
    assert process.returncode == 0, err
    assert "saving" in err
    assert load_embedding(tmp_path / "out" / "foo.safetensors").step > 0


@OWN_GRADIO
@pytest.mark.slow
def test_a_second_signal_ends_the_tab_at_once(start: Start, tmp_path: Path, pictures: Path) -> None:
    process, port = start_tab(start, pace="60")
    begin_run(port, tmp_path, pictures, least=0)
    process.send_signal(signal.SIGTERM)
    assert process.stderr
    for line in process.stderr:
        if "saving" in line:
            break
    process.send_signal(signal.SIGTERM)
    assert process.wait(30) == 130, "an update takes a minute"


def start_tab(start: Start, pace: str = "0.01") -> tuple[subprocess.Popen[str], int]:
    port = free_port()
    process = start("ui", "--no-browser", "--port", str(port), "--out", "out", pace=pace)
    read_until(process, "TI Lab: http")
    return process, port


def begin_run(port: int, folder: Path, pictures: Path, least: int = 1) -> None:
    """By a request, and wait until so many updates are done."""
    (folder / "out").mkdir(exist_ok=True)
    place = folder / "out" / "photos"
    place.mkdir()
    for path in pictures.iterdir():
        (place / path.name).write_bytes(path.read_bytes())
    settings = {"embedding.name": "foo", "embedding.init": "round", "data.folder": "photos", "data.template": "subject"}
    settings |= {"optim.steps": 100000, "preview.every": 0, "save.every": 0}
    address = f"http://127.0.0.1:{port}/ti-lab/v1/train"
    request = urllib.request.Request(
        f"{address}/start", json.dumps(settings).encode(), {"Content-Type": "application/json"}
    )
    urllib.request.urlopen(request, timeout=60).close()
    end = time.monotonic() + PATIENCE
    while True:
        with urllib.request.urlopen(f"{address}/status", timeout=60) as answer:
            status = json.load(answer)
        if status["state"] == "running" and status["step"] >= least:
            return
        assert status["active"], status
        assert time.monotonic() < end, status
        time.sleep(0.1)


def test_a_second_ctrl_c_is_told_from_a_closed_terminal() -> None:
    heard: list[str] = []
    with on_signals(lambda: heard.append("first")):
        for number in (signal.SIGHUP, signal.SIGHUP, signal.SIGTERM, signal.SIGHUP):
            signal.raise_signal(number)
        assert heard == ["first"]
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)
