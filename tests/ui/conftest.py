import sys
from pathlib import Path

import pytest

sys.path.insert(
    0, str(Path(__file__).parent)
)  # fake_app and server are also used by other interpreters, as plain modules

from fake_app import FakeApp


@pytest.fixture
def app(tmp_path: Path) -> FakeApp:
    return FakeApp(tmp_path, pace=0.001)


@pytest.fixture
def values() -> dict[str, object]:
    return {"embedding.name": "moth", "data.folder": "pictures", "optim.steps": 20, "preview.every": 5}
