"""The oldest that users have: Python 3.10 and the versions that A1111's WebUI 1.10 pins. `python -m tests.oldest [PYTEST …]`

Makes `.venv-oldest` where there is a Python 3.10, and runs there every test that needs no torch, which it does not hold; then
the browser tests of the tab on that gradio. As a plugin of that run it leaves out files that import torch, or what comes with
it, and passes over tests that ask for it later.
"""

from __future__ import annotations

import ast
import hashlib
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
VENV = ROOT / ".venv-oldest"
PYTHON = VENV / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
VERSIONS = Path(__file__).with_suffix(".txt")
NOT_THERE = {"torch", "diffusers", "transformers", "tokenizers", "open_clip", "tensorboard", "accelerate", "playwright"}
FEWEST = 800
"""Tests that pass. Fewer, and this run has quietly lost what it is for."""
NEEDS_THE_NEWEST = ["tests/test_install.py", "tests/test_package.py", "tests/test_docs.py"]


def main(arguments: list[str]) -> int:
    python = find_python()
    if python is None:
        sys.stdout.write("There is no Python 3.10 here: what A1111's users have is not tested.\n")
        return 0
    make_environment(python)
    ignored = [f"--ignore={path}" for path in NEEDS_THE_NEWEST]
    plain = ["-p", "tests.oldest", "-p", "no:cacheprovider", "-m", "not browser", *ignored]
    browser = ["tests/ui", "-m", "browser", "--gradio-python", str(PYTHON), "-k", VENV.name.strip(".")]
    environment = {**os.environ, "TI_LAB_FEWEST": str(0 if arguments else FEWEST)}
    codes = [
        subprocess.run([*command, *arguments], cwd=ROOT, env=environment, check=False).returncode
        for command in ([str(PYTHON), "-m", "pytest", *plain], [sys.executable, "-m", "pytest", *browser])
    ]
    return max(codes)


def find_python() -> str | None:
    """By name, by Windows' launcher, or among pyenv's."""
    pyenv = sorted((Path.home() / ".pyenv" / "versions").glob("3.10.*/bin/python3.10"))
    launcher = [["py", "-3.10"]] if shutil.which("py") else []
    code = "import sys, venv, ensurepip; print(sys.executable if sys.version_info[:2] == (3, 10) else '')"
    for candidate in [["python3.10"], *launcher, *([str(path)] for path in pyenv), [sys.executable]]:
        if shutil.which(candidate[0]):
            found = subprocess.run([*candidate, "-c", code], capture_output=True, text=True, check=False).stdout.strip()
            if found:
                return found
    return None


def make_environment(python: str) -> None:
    stamp, wanted = VENV / "made-of", hashlib.sha256(VERSIONS.read_bytes()).hexdigest()
    if stamp.is_file() and stamp.read_text() == wanted:
        return
    shutil.rmtree(VENV, ignore_errors=True)
    subprocess.run([python, "-m", "venv", str(VENV)], check=True)
    pip = [str(PYTHON), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "-r", str(VERSIONS)]
    subprocess.run(pip, check=True)
    stamp.write_text(wanted)


# The plugin


def pytest_ignore_collect(collection_path: Path) -> bool | None:
    """Folders by their conftest, tests by themselves."""
    file = collection_path / "conftest.py" if collection_path.is_dir() else collection_path
    if not file.is_file() or not (file.name == "conftest.py" or file.name.startswith("test_")):
        return None
    return True if imports_of(file) & NOT_THERE else None


def imports_of(path: Path, seen: set[Path] | None = None) -> set[str]:
    """Top-level packages that importing the file brings in, by way of lib_ti and tests too; not what its functions import."""
    seen = set() if seen is None else seen
    seen.add(path)
    found: set[str] = set()
    for module in modules_of(ast.parse(path.read_text(encoding="utf-8")).body):
        top, *_ = module.split(".")
        inner = [ROOT.joinpath(*module.split(".")).with_suffix(".py"), path.with_name(f"{module}.py")]
        ours = next((file for file in inner if file.is_file()), None)
        if ours is None:
            found.add(top)
        elif ours not in seen:
            found |= imports_of(ours, seen)
    return found


def modules_of(body: list[ast.stmt]) -> Iterator[str]:
    for node in body:
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module
            yield from (
                f"{node.module}.{alias.name}" for alias in node.names if node.module.startswith(("lib_ti", "tests"))
            )


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]) -> Iterator[None]:
    error = call.excinfo.value if call.excinfo else None
    outcome = yield
    while error is not None:
        if isinstance(error, ModuleNotFoundError) and (error.name or "").split(".")[0] in NOT_THERE:
            report = outcome.get_result()  # type: ignore[attr-defined]
            report.outcome, report.longrepr = "skipped", (str(item.path), 0, f"needs {error.name}")
            return
        error = error.__cause__ or error.__context__


def pytest_sessionfinish(session: pytest.Session) -> None:
    reporter = session.config.pluginmanager.get_plugin("terminalreporter")
    passed = len(reporter.stats.get("passed", [])) if reporter else 0
    sys.stdout.write(f"\n{passed} tests pass on Python {sys.version.split()[0]}\n")
    if passed < int(os.environ.get("TI_LAB_FEWEST", "0")):
        session.exitstatus = 1


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
