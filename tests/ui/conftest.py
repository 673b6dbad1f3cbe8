from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

# fake_app and server are also used by other interpreters, as plain modules.
sys.path.insert(0, str(Path(__file__).parent))

from browsing import SOON, Open, Shoot, wait_answer
from fake_app import FakeApp
from tab_server import ROOT, free_port, serving

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page


@pytest.fixture
def app(tmp_path: Path) -> FakeApp:
    return FakeApp(tmp_path, pace=0.001)


@pytest.fixture
def values() -> dict[str, object]:
    return {"embedding.name": "moth", "data.folder": "pictures", "optim.steps": 20, "preview.every": 5}


@pytest.fixture
def open_page(browser: Browser) -> Iterator[Open]:
    """Open the tab; at the end no page may have met an error in a script, ours or gradio's."""
    errors: list[str] = []
    pages: list[Page] = []

    def open_(address: str, width: int = 1280, theme: str = "light") -> Page:
        page = browser.new_page(viewport={"width": width, "height": 900})
        page.set_default_timeout(SOON)
        page.route(lambda url: not url.startswith((address, "data:", "blob:")), lambda route: route.abort())
        page.on("pageerror", lambda error: errors.append(str(error)))
        pages.append(page)
        page.goto(f"{address}?__theme={theme}", wait_until="domcontentloaded")
        wait_answer(page)
        return page

    yield open_
    for page in pages:
        page.close()
    assert errors == []


@pytest.fixture
def shoot(request: pytest.FixtureRequest) -> Shoot:
    folder: Path | None = request.config.getoption("--screenshots")

    def shoot_(page: Page, name: str) -> None:
        if folder:
            folder.mkdir(parents=True, exist_ok=True)
            page.screenshot(path=folder / f"{name}.png", full_page=True)

    return shoot_


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "gradio_python" in metafunc.fixturenames:
        pythons = [Path(sys.executable), *metafunc.config.getoption("--gradio-python")]
        names = ["own", *(str(python) for python in pythons[1:])]
        metafunc.parametrize("gradio_python", pythons, ids=names, scope="session")


@pytest.fixture
def gradio_name(gradio_python: Path) -> str:
    """ "own", or the name of the other environment; for pictures."""
    return "own" if gradio_python == Path(sys.executable) else gradio_python.parts[-3]


@pytest.fixture
def address(gradio_python: Path, tmp_path: Path) -> Iterator[str]:
    """The tab over a host and trainings that are played."""
    with serve(gradio_python, tmp_path, "fake") as found:
        yield found


@pytest.fixture(scope="session")
def merging(gradio_python: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, Path]]:
    """The tab over a small host with real vectors: its address, and the host's folder. The text in `model.txt` there is the
    name of the loaded model. One server for all who ask, since its start takes longer than they do."""
    if subprocess.run([gradio_python, "-c", "import torch"], capture_output=True, check=False).returncode:
        pytest.skip("that environment has no torch")
    folder = tmp_path_factory.mktemp("merging")
    with serve(gradio_python, folder, "toy") as found:
        yield found, folder


def serve(python: Path, folder: Path, host: str) -> AbstractContextManager[str]:
    port = free_port()
    command = [str(python), str(ROOT / "tests" / "ui" / "server.py"), str(port), str(folder), host]
    return serving(command, port, folder / "server.log")
