"""`install.py`: the first thing a user meets, and what a WebUI runs at each of its starts."""

import ast
import importlib.util
import json
import os
import re
import subprocess
import sys
import time
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).parent.parent


@pytest.fixture
def install(tmp_path: Path) -> ModuleType:
    """The installer, as it lies in a fresh clone in `tmp_path`."""
    for name in ("install.py", "pyproject.toml", "constraints.txt"):
        (tmp_path / name).write_bytes((ROOT / name).read_bytes())
    spec = importlib.util.spec_from_file_location("install", tmp_path / "install.py")
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def make_ready(install: ModuleType, *roles: str) -> None:
    """An environment as a whole installation leaves it, with this Python."""
    install.PYTHON.parent.mkdir(parents=True)
    install.PYTHON.symlink_to(sys.executable)
    install.STAMP.write_text(json.dumps({install.WHAT[role]: install.fingerprint() for role in roles}))


def packages(group: str) -> list[str]:
    """Of pyproject.toml: "dependencies", or one that is optional."""
    tomllib = pytest.importorskip("tomllib")
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    return [re.split(r"[<>=]", name)[0] for name in {**project, **project["optional-dependencies"]}[group]]


@pytest.fixture
def asked(install: ModuleType, monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    """What pip was asked for, in place of minutes of downloads; and no look at the network for torch."""
    calls: list[list[str]] = []
    monkeypatch.setattr(install, "pip", lambda python, arguments, cwd=None: calls.append([python, *arguments]))
    monkeypatch.setattr(install, "torch_source", lambda index: ["--index-url", index] if index else [])
    return calls


# Inside a WebUI


def test_at_a_webuis_start_it_is_quick_and_quiet_when_all_is_there(tmp_path: Path) -> None:
    (tmp_path / "launch.py").touch()
    began = time.monotonic()
    result = subprocess.run(
        [sys.executable, ROOT / "install.py"],
        capture_output=True, text=True, check=False, cwd=tmp_path, env={**os.environ, "PYTHONPATH": str(tmp_path)},
    )  # fmt: skip
    assert (result.returncode, result.stdout, result.stderr) == (0, "", "")
    assert time.monotonic() - began < 5


def test_it_adds_what_a_webui_lacks_and_pins_what_it_has(
    install: ModuleType, asked: list[list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The WebUI's own versions are constraints: pip may fail, but it changes none of them."""
    find = importlib.util.find_spec
    monkeypatch.setattr(
        install.importlib.util, "find_spec", lambda name: None if name == "safetensors" else find("sys")
    )
    pinned = []
    monkeypatch.setattr(
        install, "pip", lambda python, arguments: pinned.append((arguments, Path(arguments[1]).read_text()))
    )
    assert install.main([]) == 0
    [(arguments, constraints)] = pinned
    assert arguments[2:] == ["safetensors"]
    assert re.search(r"^numpy==\d", constraints, re.MULTILINE)


def test_by_hand_without_an_argument_it_explains_itself_and_installs_nothing(tmp_path: Path) -> None:
    result = subprocess.run(
        [sys.executable, ROOT / "install.py"], capture_output=True, text=True, check=False, cwd=tmp_path
    )
    assert result.returncode == 2
    assert "python install.py ui" in result.stdout


def test_it_uses_nothing_but_pythons_own_library() -> None:
    tree = ast.parse((ROOT / "install.py").read_text(encoding="utf-8"))
    names = {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}
    names |= {node.module or "" for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    assert {name.split(".")[0] for name in names} <= sys.stdlib_module_names


def test_an_old_python_can_read_it_far_enough_to_be_refused() -> None:
    ast.parse((ROOT / "install.py").read_text(encoding="utf-8"), feature_version=(3, 8))


# The versions


def test_every_package_that_is_named_has_a_tested_version() -> None:
    pinned = re.findall(r"^([\w.-]+)==[\w.]+$", (ROOT / "constraints.txt").read_text(), re.MULTILINE)
    lines = [line for line in (ROOT / "constraints.txt").read_text().splitlines() if line and line[0] != "#"]
    assert len(pinned) == len(lines)
    named = [*packages("dependencies"), *packages("test"), "torchvision"]
    names = {re.sub(r"[-_.]+", "-", name).lower() for name in pinned}
    assert {re.sub(r"[-_.]+", "-", name).lower() for name in named} <= names


# An environment of our own


def test_a_ready_environment_is_used_as_it_is(install: ModuleType, asked: list[list[str]]) -> None:
    make_ready(install, "ui", "test")
    install.set_up(install.WHAT["ui"], "")
    install.set_up(install.WHAT["test"], "")
    assert asked == []


def test_whoever_has_the_developers_tools_has_the_rest_and_not_the_other_way_round(
    install: ModuleType, asked: list[list[str]]
) -> None:
    make_ready(install, "test")
    install.set_up(install.WHAT["ui"], "")
    assert asked == []
    install.STAMP.write_text(json.dumps({install.WHAT["ui"]: install.fingerprint()}))
    install.set_up(install.WHAT["test"], "")
    assert asked[-1][-2:] == ["--editable", ".[test]"]


@pytest.mark.parametrize("change", ["constraints.txt", "pyproject.toml"])
def test_other_versions_or_packages_are_installed_into_it(
    install: ModuleType, asked: list[list[str]], change: str
) -> None:
    make_ready(install, "ui")
    path = install.ROOT / change
    path.write_text(path.read_text().replace("tqdm", "tqdm2"))
    install.set_up(install.WHAT["ui"], "")
    assert [call[-2:] for call in asked] == [["torch", "torchvision"], ["--editable", "."]]
    install.set_up(install.WHAT["ui"], "")
    assert len(asked) == 2, "the second time it is ready"


def test_torch_comes_first_and_from_the_named_index_alone(install: ModuleType, asked: list[list[str]]) -> None:
    make_ready(install)
    install.set_up(install.WHAT["ui"], "https://example.org/cu128")
    torch, rest = asked
    assert torch[3:] == ["torch", "torchvision", "--index-url", "https://example.org/cu128"]
    assert "--index-url" not in rest


def test_the_torch_index_comes_from_the_command_or_the_environment(
    install: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert install.take_torch_index(["--out", "X"]) == ("", ["--out", "X"])
    monkeypatch.setenv("TI_LAB_TORCH_INDEX", "env")
    assert install.take_torch_index(["--out", "X"]) == ("env", ["--out", "X"])
    assert install.take_torch_index(["--torch-index", "U", "--out", "X"]) == ("U", ["--out", "X"])
    with pytest.raises(install.SetupError, match="URL"):
        install.take_torch_index(["--torch-index"])


@pytest.mark.slow
def test_after_an_interruption_the_half_made_environment_is_made_anew(
    install: ModuleType, asked: list[list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(python: str, arguments: list[str], cwd: Path | None = None) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(install, "pip", interrupted)
        with pytest.raises(KeyboardInterrupt):
            install.set_up(install.WHAT["ui"], "")
    rest = install.VENV / "half-copied"
    rest.touch()
    install.set_up(install.WHAT["ui"], "")
    assert not rest.exists()
    assert len(asked) == 2
    assert install.runs(install.PYTHON)
    install.set_up(install.WHAT["ui"], "")
    assert len(asked) == 2


def test_an_environment_whose_python_is_gone_is_made_anew(
    install: ModuleType, asked: list[list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    make_ready(install, "ui")
    install.PYTHON.unlink()
    monkeypatch.setattr(install.subprocess, "run", lambda *_, **__: subprocess.CompletedProcess([], 0))
    monkeypatch.setattr(install, "runs", lambda python: False)
    install.set_up(install.WHAT["ui"], "")
    assert len(asked) == 2


# Sentences that help


@pytest.mark.parametrize(
    ("pip_said", "told"),
    [
        ("ERROR: Could not install packages due to an OSError: [Errno 28] No space left on device", "disk is full"),
        ("ERROR: No matching distribution found for torch==2.13.0", "--torch-index"),
        ("ERROR: No matching distribution found for gradio==6.31.0", "gradio"),
        (
            "WARNING: Retrying after connection broken by 'NewConnectionError'\nERROR: No matching distribution found for torch",
            "network",
        ),
        ("error: subprocess-exited-with-error", "lines above"),
    ],
)
def test_pips_last_words_are_put_into_advice(install: ModuleType, pip_said: str, told: str) -> None:
    assert told in install.explain(pip_said)


@pytest.mark.parametrize("version", [(3, 9, 1), (3, 10, 6), (3, 15, 0)])
def test_an_untested_python_is_told_which_to_take(
    install: ModuleType, monkeypatch: pytest.MonkeyPatch, version: tuple[int, ...]
) -> None:
    monkeypatch.setattr(install.sys, "version_info", version)
    with pytest.raises(install.SetupError, match=r"3\.11 to 3\.13"):
        install.check_python()


def test_too_little_room_is_told_before_the_download(install: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(install, "GIGABYTES", 10**6)
    with pytest.raises(install.SetupError, match="GB"):
        install.check_space()


def test_a_failure_is_one_sentence_without_a_traceback(install: ModuleType) -> None:
    command = [sys.executable, install.ROOT / "install.py", "ui", "--torch-index"]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    assert result.returncode == 1
    assert len(result.stderr.splitlines()) == 1
    assert result.stderr.startswith("TI Lab: --torch-index")
