"""Outside a WebUI (in the CLI, in tests) its host's files must still be importable: nothing of a WebUI at the top."""

from importlib import import_module
from pathlib import Path

import pytest

import lib_ti

ADAPTERS = Path(lib_ti.__file__).parent / "adapters"
FILES = [path for folder in ("a1111", "forge", "webui") for path in sorted((ADAPTERS / folder).glob("*.py"))]


@pytest.mark.parametrize("path", FILES, ids=lambda path: f"{path.parent.name}/{path.stem}")
def test_imports_without_a_webui(path: Path) -> None:
    import_module(f"lib_ti.adapters.{path.parent.name}.{path.stem}")
