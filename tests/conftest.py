"""Options of the test run, and what several test folders share."""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import settings
from PIL import Image

if TYPE_CHECKING:
    from playwright.sync_api import Browser

# How long an example takes says how busy the machine is.
settings.register_profile("ti-lab", deadline=None)
settings.load_profile("ti-lab")

CHROMIUM = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
CHROMIUM_FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
]


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--slow", action="store_true", help="run tests that take more than ten seconds too")
    parser.addoption(
        "--gradio-python", action="append", type=Path, default=[], help="drive the tab in this Python's gradio too"
    )
    parser.addoption("--screenshots", type=Path, help="keep pictures of the tab in this folder")
    parser.addoption("--webui-root", type=Path, help="folder of a real WebUI, for the tests marked webui")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    skips = {}
    if not config.getoption("--slow"):
        skips["slow"] = pytest.mark.skip(reason="slow: give --slow")
    if not config.getoption("--webui-root"):
        skips["webui"] = pytest.mark.skip(reason="needs a WebUI: give --webui-root DIR")
    if any("gpu" in item.keywords for item in items) and not _has_gpu():
        skips["gpu"] = pytest.mark.skip(reason="there is no CUDA device")
    for item in items:
        for marker, skip in skips.items():
            if item.get_closest_marker(marker):  # not item.keywords, which has the names of folders too
                item.add_marker(skip)


def _has_gpu() -> bool:
    import torch

    return torch.cuda.is_available()


@pytest.fixture(scope="session")
def webui_root(request: pytest.FixtureRequest) -> Path:
    root: Path = request.config.getoption("--webui-root")
    return root.resolve()


@pytest.fixture(scope="session")
def browser() -> "Iterator[Browser]":
    """A real chromium. In CI a missing one is a failure, so that the tests of the tab cannot fall silent there."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        path = next(filter(None, map(shutil.which, CHROMIUM)), playwright.chromium.executable_path)
        if not Path(path).exists():
            (pytest.fail if os.environ.get("CI") else pytest.skip)(
                "no chromium: install it, or `playwright install chromium`"
            )
        browser = playwright.chromium.launch(executable_path=path, args=CHROMIUM_FLAGS)
        yield browser
        browser.close()


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    folder = tmp_path / "pictures"
    folder.mkdir()
    for number in range(4):
        Image.linear_gradient("L").resize((64, 64)).rotate(90 * number).convert("RGB").save(folder / f"{number}.png")
    return folder
