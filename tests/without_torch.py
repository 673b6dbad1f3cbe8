"""A plugin for pytest in an environment without torch: `pytest -p tests.without_torch`; see `tests/oldest.py`.

Leaves out folders and files that import torch, or what comes with it, and passes over tests that ask for it later.
"""

from __future__ import annotations

import ast
import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
NOT_THERE = {"torch", "diffusers", "transformers", "tokenizers", "open_clip", "tensorboard", "accelerate", "playwright"}


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
