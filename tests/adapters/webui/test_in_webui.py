"""The contract of every host, and what only a WebUI can break, inside a real one: `pytest --webui-root DIR`.

WEBUI_CHECKPOINTS names checkpoint files of it, apart by commas (else it takes its own choice); WEBUI_PYTHON its Python;
WEBUI_REFERENCE a folder in which WebUIs are compared with each other (check_reference.py).
"""

import os
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest

HERE = Path(__file__).parent
ROOT = HERE.parents[2]


@pytest.mark.webui
@pytest.mark.slow
@pytest.mark.parametrize("checkpoint", os.environ.get("WEBUI_CHECKPOINTS", "").split(","))
def test_everything_holds_inside_the_webui(webui_root: Path, tmp_path: Path, checkpoint: str) -> None:
    python = os.environ.get("WEBUI_PYTHON") or _python_of(webui_root)
    folders = [webui_root, tmp_path, sysconfig.get_path("purelib")]
    tests = [ROOT / "tests" / "contract", *sorted(HERE.glob("check_*.py"))]
    if (webui_root / "backend").is_dir():  # Forge's second kind
        tests += sorted((HERE.parent / "forge").glob("check_*.py"))
    options = ["--rootdir", ROOT, "-c", ROOT / "pyproject.toml", "-p", "no:cacheprovider", "--slow"]
    options += ["--webui-root", webui_root, *tests]
    environment = {
        **os.environ,
        "PYTHONPATH": str(ROOT),
        "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1",
        "PYTHONDONTWRITEBYTECODE": "1",
    }
    command = [python, HERE / "inside.py", *folders, checkpoint, *options]
    assert subprocess.run(list(map(str, command)), env=environment, stdout=sys.stderr).returncode == 0


def _python_of(webui_root: Path) -> Path:
    found = [path for path in (webui_root / "venv/bin/python", webui_root / "venv/Scripts/python.exe") if path.exists()]
    return found[0] if found else pytest.fail(f"no Python in {webui_root}: name it by WEBUI_PYTHON")
