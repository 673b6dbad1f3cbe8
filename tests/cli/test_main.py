"""The command line as a whole: exit codes that scripts rely on, and answers without a traceback."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from lib_ti.cli.main import COMMANDS, exit_code
from lib_ti.cli.train import resume_command
from lib_ti.errors import (
    Busy,
    EmbeddingExists,
    HostError,
    InvalidConfig,
    InvalidDataset,
    InvalidEmbedding,
    TIError,
    TrainingFailed,
    UnsupportedModel,
)
from lib_ti.formats.files import load_header
from lib_ti.version import VERSION

Command = Callable[..., tuple[int, str, str]]
ROOT = Path(__file__).parent.parent.parent
NAMES = [{"remake": "again"}.get(name, name) for name in (module.__name__.rpartition(".")[2] for module in COMMANDS)]


@pytest.mark.parametrize("name", NAMES)
def test_every_command_explains_itself(command: Command, name: str) -> None:
    code, out, _ = command(name, "--help")
    assert code == 0
    assert f"python -m lib_ti {name}" in out


@pytest.mark.parametrize("argv", [[], ["tain"], ["train", "--vector", "2"]])
def test_wrong_usage_ends_with_2(command: Command, argv: list[str]) -> None:
    assert command(*argv)[0] == 2


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (TrainingFailed("x"), 1),
        (HostError("x"), 1),
        (Busy("x"), 1),
        (InvalidConfig([]), 2),
        (InvalidDataset([]), 2),
        (InvalidEmbedding("x"), 2),
        (EmbeddingExists("x"), 2),
        (UnsupportedModel("x"), 2),
    ],
)
def test_a_failed_run_can_be_told_from_wrong_input(error: TIError, code: int) -> None:
    assert exit_code(error) == code


def test_the_module_runs_and_loads_no_torch_before_the_settings_are_right() -> None:
    """A mistyped setting is answered at once, not after the seconds that torch takes."""
    code = """
import sys
from lib_ti.cli.main import main
code = main(["train", "--set", "optim.lrr=1"])
print(code, "torch" in sys.modules)
"""
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, check=False)
    assert result.stdout.strip() == "2 False"
    assert "did you mean" in result.stderr


def test_a_reader_that_goes_away_is_no_traceback() -> None:
    file = ROOT / "tests/data/em-sd1.safetensors"
    with subprocess.Popen(
        [sys.executable, "-m", "lib_ti", "inspect", file], stdout=subprocess.PIPE, stderr=subprocess.PIPE, cwd=ROOT
    ) as process:
        assert process.stdout
        assert process.stderr
        process.stdout.close()
        assert b"Traceback" not in process.stderr.read()


def test_it_says_its_version_and_how_it_was_called(command: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    assert command("--version") == (0, f"TI Lab {VERSION}\n", "")
    monkeypatch.setattr("sys.argv", ["/usr/local/bin/ti-lab"])
    assert "usage: ti-lab " in command("--help")[1]
    assert resume_command(["train"]) == "ti-lab train --resume"


@pytest.mark.parametrize("expression", ["-'cat'", "-('cat'+'dog')*2", "-( -'cat')", "- 'cat'"])
@pytest.mark.parametrize("argv", [("merge", "--check"), ("inspect", "--model", "demo"), ("inspect", "--with")])
def test_an_expression_may_begin_with_a_minus(command: Command, argv: tuple[str, ...], expression: str) -> None:
    words = ("inspect", "--model", "demo", "'cat'") if argv[-1] == "--with" else ()
    code, out, err = command(*words, *argv[1 if words else 0 :], expression)
    assert (code, err) == (0, "")
    assert out


def test_an_expression_that_begins_with_a_minus_is_kept_as_it_was_typed(command: Command) -> None:
    assert command("merge", "-'cat'", "--name", "mix", "--out", "out")[0] == 0
    assert load_header(Path("out/mix.safetensors")).recipe["expression"] == "-'cat'"
    assert command("merge", "--'cat'", "--check")[0] == 2
    assert "\0" not in "".join(command("convert", "-'cat'.pt", "--out", "made")[1:])  # no mark is left on a path


@pytest.mark.parametrize(
    ("argv", "said"),
    [
        (("inspect", "'cat'", "--nearest", "-6"), "--nearest: Nearest tokens is -6, below the least of 0"),
        (("inspect", "'cat'", "--nearest", "many"), "--nearest: 'many' is not a number"),
        (("generate", "--prompt", "x", "--width", "-8"), "--width: Width is -8, below the least of 0"),
        (("generate", "--prompt", "x", "--seed", "9" * 20), "--seed: Seed is 99999999999999999999, above the most"),
        (("train", "--name", "x", "--data", "d", "--steps", "0"), "--steps: Max steps is 0, below the least of 1"),
        (("train", "--name", "x", "--data", "d", "--steps=-1"), "--steps: Max steps is -1, below the least of 1"),
        (("ui", "--port", "99999999"), "--port: Port is 99999999, above the most of 65535"),
        (("ui", "--port", "-1"), "--port: Port is -1, below the least of 1"),
    ],
)
def test_numbers_out_of_bounds_are_refused_by_their_flag(command: Command, argv: tuple[str, ...], said: str) -> None:
    code, out, err = command(*argv)
    assert (code, out) == (2, "")
    assert said in err
    assert "Traceback" not in err
