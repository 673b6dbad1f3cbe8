"""A file that we save works in prompts at once, wherever it lies, and the WebUI's own tools take it."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from lib_ti.app import App
from lib_ti.config.embeddings import CreateConfig, MergeConfig
from lib_ti.config.options import build_config
from lib_ti.config.train import TrainConfig
from lib_ti.control import Control
from lib_ti.events import ignore
from tests.adapters.webui.conftest import NAME

Paint = Callable[..., np.ndarray]


@pytest.fixture
def folder(app: App) -> Any:
    """A folder in the embeddings folder; empty again afterwards."""
    folder = app.host.embeddings_folder() / "mine"
    yield folder
    for path in [*folder.glob("*"), *app.host.embeddings_folder().glob(f"{NAME}*")]:
        path.unlink()
    app.host.refresh_embeddings()


@pytest.mark.parametrize("form", ["safetensors", "pt"])
def test_a_file_in_a_folder_of_the_folder_works_at_once_and_so_does_the_next(
    app: App, paint: Paint, folder: Path, form: str
) -> None:
    if form == "pt" and len(app.host.model().encoders) > 1:
        pytest.skip(".pt is for one encoder")
    about: dict[str, Any] = {"name": NAME, "vectors": 2, "folder": str(folder), "format": form}
    plain = paint(f"a {NAME}")
    app.create(CreateConfig(**about, init="red star"))
    first = paint(f"a {NAME}")
    assert not np.array_equal(first, plain)
    assert np.array_equal(first, paint("a red star"))
    app.create(CreateConfig(**about, init="blue house", overwrite=True))
    assert np.array_equal(paint(f"a {NAME}"), paint("a blue house"))


def test_a_merge_works_at_once(app: App, paint: Paint, folder: Path) -> None:
    app.merge(MergeConfig("'red' + 'star'", NAME, folder=str(folder)))
    first = paint(f"a {NAME}")
    app.merge(MergeConfig("'red star'", NAME, folder=str(folder), overwrite=True))
    assert not np.array_equal(paint(f"a {NAME}"), first)
    assert np.array_equal(paint(f"a {NAME}"), paint("a red star"))


def test_a_pt_passes_the_webuis_check_of_files(app: App, folder: Path) -> None:
    """It refuses what looks as if it could run code, and that with torch's newest format."""
    from modules import safe

    if len(app.host.model().encoders) > 1:
        pytest.skip(".pt is for one encoder")
    made = app.create(CreateConfig(NAME, init="red star", vectors=2, folder=str(folder), format="pt"))
    data = safe.load(str(made.path))
    assert data["name"] == NAME
    assert data["string_to_param"]["*"].shape[0] == 2


def test_its_card_has_the_newest_preview(app: App, settings: dict[str, Any], folder: Path) -> None:
    pages = pytest.importorskip("modules.ui_extra_networks_textual_inversion")
    settings |= {"preview.every": 2, "save.folder": "", "embedding.overwrite": True}
    app.train(build_config(TrainConfig, settings), ignore, Control())
    page = pages.ExtraNetworksPageTextualInversion()
    page.refresh()  # the page's button; a Forge lists its cards anew only then
    card = next(item for item in page.list_items() if item["name"] == NAME)
    assert Path(card["filename"]).parent == app.host.embeddings_folder()
    assert f"{NAME}.preview.png" in card["preview"]


def test_names_that_shadow_a_word_or_a_file_are_reported(app: App, folder: Path) -> None:
    app.create(CreateConfig(NAME, init="star", folder=str(folder)))
    notes = " ".join(app.create(CreateConfig(NAME.upper(), init="star")).notes)
    assert "has this name already" in notes
    (app.host.embeddings_folder() / f"{NAME.upper()}.safetensors").unlink()
    notes = " ".join(app.create(CreateConfig("cat", init="star", folder=str(folder))).notes)
    assert "'cat' is a word that the model knows" in notes
