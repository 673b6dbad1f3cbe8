"""`install.py`: the first thing a user meets, and what a WebUI runs at each of its starts."""

import ast
import importlib.util
import json
import os
import re
import subprocess
import sys
import time
import zipfile
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).parent.parent
LOCKS = sorted((ROOT / "locks").glob("*.txt"))


@pytest.fixture
def install(tmp_path: Path) -> ModuleType:
    """The installer, as it lies in a fresh clone in `tmp_path`."""
    (tmp_path / "locks").mkdir()
    locks = [f"locks/{path.name}" for path in LOCKS]
    for name in ("install.py", "pyproject.toml", "constraints.txt", *locks):
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
    install.STAMP.write_text(json.dumps({install.WHAT[role][-1]: install.fingerprint() for role in roles}))


def packages(group: str) -> list[str]:
    """Of pyproject.toml: "dependencies", or one that is optional."""
    tomllib = pytest.importorskip("tomllib")
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    return [re.split(r"[<>=]", name)[0] for name in {**project, **project["optional-dependencies"]}[group]]


@pytest.fixture
def asked(install: ModuleType, monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    """What pip was asked for, in place of minutes of downloads; and no look at the network, nor at this machine, for torch."""
    calls: list[list[str]] = []
    monkeypatch.setattr(install, "pip", lambda python, arguments, cwd=None: calls.append([python, *arguments]))
    monkeypatch.setattr(install, "usual_index", lambda: "")
    monkeypatch.setattr(install, "has_nvidia", lambda: True)
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


def locked(path: Path) -> dict[str, tuple[str, list[str]]]:
    """Version and hashes by package."""
    found = re.findall(r"^([\w.-]+)==([\w.]+)[^\n]*\n((?:    [^\n]*\n)+)", path.read_text(), re.MULTILINE)
    return {
        normal(name): (version, re.findall(r"--hash=sha256:([0-9a-f]{64})\b", rest)) for name, version, rest in found
    }


def normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def test_the_locks_are_whole_and_of_the_tested_versions() -> None:
    """`python -m tests.lock` makes them anew after a change of versions."""
    text = (ROOT / "constraints.txt").read_text()
    tested = {normal(name): version for name, version in re.findall(r"^([\w.-]+)==([\w.]+)$", text, re.MULTILINE)}
    found: dict[str, tuple[str, list[str]]] = {}
    for path in LOCKS:
        one = locked(path)
        lines = [line for line in path.read_text().splitlines() if line and line[0] not in "# "]
        assert len(one) == len(lines), path.name
        assert all(hashes for _, hashes in one.values()), path.name
        assert all(one[name] == found[name] for name in one.keys() & found.keys()), "the same wherever it stands"
        found |= one
    assert {name: found[name][0] for name in tested} == tested
    # What torch needs on Linux with a card has no version of ours: torch names them itself.
    more = found.keys() - tested.keys()
    assert more <= locked(ROOT / "locks" / "torch.txt").keys()
    assert {normal(name) for name in (*packages("dependencies"), "hatchling", "editables")} <= {
        *locked(ROOT / "locks" / "ui.txt"),
        *locked(ROOT / "locks" / "torch.txt"),
    }
    assert {normal(name) for name in packages("test")} <= found.keys()


def test_what_the_developers_tools_need_on_every_system_is_locked_for_every_system() -> None:
    """The site could not be built: colorama stood among what the page needs, for Windows alone."""
    (line,) = re.findall(r"^colorama==.*$", (ROOT / "locks" / "test.txt").read_text(), re.MULTILINE)
    assert ";" not in line


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
    install.STAMP.write_text(json.dumps({"ui.txt": install.fingerprint()}))
    install.set_up(install.WHAT["test"], "")
    assert asked[0][-4:] == ["-r", str(install.LOCKS / "ui.txt"), "-r", str(install.LOCKS / "test.txt")]


@pytest.mark.parametrize("change", ["constraints.txt", "pyproject.toml", "locks/ui.txt", "locks/torch.txt"])
def test_other_versions_or_packages_are_installed_into_it(
    install: ModuleType, asked: list[list[str]], change: str
) -> None:
    make_ready(install, "ui")
    path = install.ROOT / change
    path.write_text(path.read_text() + "# changed")
    install.set_up(install.WHAT["ui"], "")
    assert len(asked) == 3
    install.set_up(install.WHAT["ui"], "")
    assert len(asked) == 3, "the second time it is ready"


def test_nothing_but_torch_of_its_own_index_is_installed_without_its_hash(
    install: ModuleType, asked: list[list[str]]
) -> None:
    """Or a package of the same name, on a second index or on the way from it, would run on the user's machine."""
    make_ready(install)
    install.set_up(install.WHAT["ui"], "https://example.org/cu128")
    rest, torch, project = (call[1:] for call in asked)
    assert {"--require-hashes", "--no-deps", ":all:"} <= set(rest)
    assert torch == ["-c", str(install.CONSTRAINTS), "--index-url", "https://example.org/cu128", "torch", "torchvision"]
    assert {"--no-index", "--no-deps", "--no-build-isolation"} <= set(project)
    assert not [word for call in asked for word in call if "extra-index" in word]
    assert not [word for word in (*rest, *project) if "index-url" in word]


def test_pypis_torch_is_compared_with_its_hash(install: ModuleType, asked: list[list[str]]) -> None:
    make_ready(install)
    install.set_up(install.WHAT["ui"], "")
    assert asked[1][1:] == [
        "--require-hashes",
        "--no-deps",
        "--only-binary",
        ":all:",
        "-r",
        str(install.LOCKS / "torch.txt"),
    ]


@pytest.mark.parametrize(
    ("platform", "nvidia", "own", "locked"),
    [
        ("linux", False, True, False),
        ("linux", False, False, True),
        ("linux", True, True, True),
        ("win32", False, True, True),
    ],
)
def test_the_cpus_torch_may_come_from_where_the_user_has_told_pip(
    install: ModuleType,
    asked: list[list[str]],
    monkeypatch: pytest.MonkeyPatch,
    platform: str,
    nvidia: bool,
    own: bool,
    locked: bool,
) -> None:
    monkeypatch.setattr(install, "has_nvidia", lambda: nvidia)
    monkeypatch.setattr(install, "has_own_sources", lambda: own)
    monkeypatch.setattr(install.sys, "platform", platform)
    install.install_torch("")
    assert ("--require-hashes" in asked[0]) is locked


def test_where_there_is_no_card_the_cpus_torch_comes_from_its_own_index_alone(
    install: ModuleType, asked: list[list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(install, "usual_index", lambda: install.CPU_TORCH)
    install.install_torch("")
    assert asked[0][1:] == ["-c", str(install.CONSTRAINTS), "--index-url", install.CPU_TORCH, "torch", "torchvision"]


def test_pip_refuses_a_file_that_is_not_the_tested_one(install: ModuleType, tmp_path: Path) -> None:
    """Not a stand-in: this Python's pip, a wheel that anyone could make, and a lock that wants another."""
    wheels, lock = tmp_path / "wheels", install.LOCKS / "ui.txt"
    wheels.mkdir()
    with zipfile.ZipFile(wheels / "tqdm-1.0-py3-none-any.whl", "w") as wheel:
        wheel.writestr("tqdm/__init__.py", "")
        wheel.writestr("tqdm-1.0.dist-info/METADATA", "Metadata-Version: 2.1\nName: tqdm\nVersion: 1.0\n")
        wheel.writestr("tqdm-1.0.dist-info/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        wheel.writestr("tqdm-1.0.dist-info/RECORD", "")
    lock.write_text(f"tqdm==1.0 --hash=sha256:{'0' * 64}\n")
    command = ["--dry-run", "--ignore-installed", "--no-index", "--find-links", str(wheels)]
    command += ["--require-hashes", "--no-deps", "-r", str(lock)]
    with pytest.raises(install.SetupError, match="not the file that was tested"):
        install.pip(sys.executable, command)


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
    assert len(asked) == 3
    assert install.runs(install.PYTHON)
    install.set_up(install.WHAT["ui"], "")
    assert len(asked) == 3


def test_an_environment_whose_python_is_gone_is_made_anew(
    install: ModuleType, asked: list[list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    make_ready(install, "ui")
    install.PYTHON.unlink()
    monkeypatch.setattr(install.subprocess, "run", lambda *_, **__: subprocess.CompletedProcess([], 0))
    monkeypatch.setattr(install, "runs", lambda python: False)
    install.set_up(install.WHAT["ui"], "")
    assert len(asked) == 3


# Sentences that help


@pytest.mark.parametrize(
    ("pip_said", "told"),
    [
        ("ERROR: Could not install packages due to an OSError: [Errno 28] No space left on device", "disk is full"),
        ("ERROR: No matching distribution found for torch==2.13.0", "--torch-index"),
        ("ERROR: THESE PACKAGES DO NOT MATCH THE HASHES FROM THE REQUIREMENTS FILE.", "not the file that was tested"),
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
