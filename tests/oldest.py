"""The oldest that users have: Python 3.10 and the versions that A1111's WebUI 1.10 pins. `python -m tests.oldest [PYTEST …]`

Makes `.venv-oldest` where there is a Python 3.10, and runs there every test that needs no torch, which it does not hold; then,
from an environment that has a browser to drive, the tests of the tab on that gradio. Python's own library alone, since it is run
by any Python.
"""

from __future__ import annotations

import hashlib
import importlib.util
import os
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent
VENV = ROOT / ".venv-oldest"
PYTHON = VENV / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
VERSIONS = Path(__file__).with_suffix(".txt")
FEWEST = 1200
"""Tests that pass. Fewer, and this run has quietly lost what it is for."""
NEEDS_THE_NEWEST = ["tests/test_install.py", "tests/test_package.py", "tests/test_docs.py"]


def main(arguments: list[str]) -> int:
    python = find_python()
    if python is None:
        sys.stdout.write("There is no Python 3.10 here: what A1111's users have is not tested.\n")
        return 0
    make_environment(python)
    ignored = [f"--ignore={path}" for path in NEEDS_THE_NEWEST]
    plain = ["-p", "tests.without_torch", "-p", "no:cacheprovider", "-m", "not browser", *ignored]
    browser = ["tests/ui", "-m", "browser", "--gradio-python", str(PYTHON), "-k", VENV.name.strip(".")]
    environment = {**os.environ, "TI_LAB_FEWEST": str(0 if arguments else FEWEST)}
    commands = [[str(PYTHON), "-m", "pytest", *plain]]
    if importlib.util.find_spec("playwright"):
        commands.append([sys.executable, "-m", "pytest", *browser])
    codes = [subprocess.run([*command, *arguments], cwd=ROOT, env=environment, check=False) for command in commands]
    return max(done.returncode for done in codes)


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


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
