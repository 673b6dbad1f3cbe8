"""What the user sees who loads another model: which files are not of it, and how they are remade."""

import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

from lib_ti.app import App
from lib_ti.config.embeddings import MergeConfig
from lib_ti.embedding.embedding import Embedding
from lib_ti.formats.files import load_embedding, save_embedding
from lib_ti.ui.actions.embeddings import EmbeddingActions
from lib_ti.ui.html.remake import library_job
from tests.test_remake import Finetune
from tests.toy_host import ToyHost

Result = Callable[..., Path]
SOON = 60


@pytest.fixture
def merged(tmp_path: Path) -> Result:
    """Merges on an older model."""
    old = App(ToyHost(tmp_path))

    def merged(name: str, expression: str = "'red'*0.5") -> Path:
        (result,) = old.merge(MergeConfig(expression, name))
        return result.path

    return merged


@pytest.fixture
def actions(tmp_path: Path) -> EmbeddingActions:
    return EmbeddingActions(App(Finetune(tmp_path)))


def test_a_file_of_another_model_is_marked_in_the_list_and_where_it_is_looked_at(
    actions: EmbeddingActions, merged: Result
):
    merged("moth")
    words = "Made on toy (0123456789, SD1); loaded is fine tune/v2 (ffffffffff, SD1)."
    assert words in actions.library("")
    seen = actions.inspect({"file": "moth.safetensors"})
    assert words in seen.origin
    assert seen.remake
    assert actions.remake.one("moth.safetensors", {"overwrite": True})[0].good
    seen = actions.inspect({"file": "moth.safetensors"})
    assert "Made on fine tune/v2 (ffffffffff, SD1), the loaded model." in seen.origin
    assert not seen.remake
    assert "loaded is" not in actions.library("")


def test_a_file_of_another_family_cannot_be_looked_at_but_remade(tmp_path: Path, merged: Result):
    merged("moth")
    actions = EmbeddingActions(App(Finetune(tmp_path, "sdxl")))
    seen = actions.inspect({"file": "moth.safetensors"})
    assert not seen.good
    assert "loaded is fine tune/v2 (ffffffffff, SDXL)" in seen.origin
    assert seen.remake
    outcome, new = actions.remake.one("moth.safetensors", {"name": "[name]-xl"})
    assert outcome.good
    assert new
    assert load_embedding(new).family == "sdxl"


def test_a_file_without_a_recipe_is_reported_plainly(actions: EmbeddingActions, tmp_path: Path):
    path = tmp_path / "embeddings" / "wild.pt"
    save_embedding(Embedding("wild", {"clip_l": torch.ones(1, 6)}, model_name="other"), path)
    seen = actions.inspect({"file": "wild.pt"})
    assert "It cannot be made again for this model. Its file does not say how it was made." in seen.origin
    assert not seen.remake
    outcome, new = actions.remake.one("wild.pt", {})
    assert "does not say how it was made" in outcome.html
    assert new is None


def test_nothing_is_overwritten_unasked_and_faults_stand_beside_their_fields(actions: EmbeddingActions, merged: Result):
    path = merged("moth")
    before = path.read_bytes()
    assert "exists already" in actions.remake.one("moth.safetensors", {})[0].html
    assert [fault.where for fault in actions.remake.one("moth.safetensors", {"name": ""})[0].faults] == ["name"]
    assert path.read_bytes() == before


def wait(actions: EmbeddingActions) -> str:
    """What is shown at the end."""
    job = actions.app.library_job.jobs.current
    assert job
    assert job.wait(SOON)
    return library_job(job.snapshot, actions.app.library_job.progress)


def test_a_whole_list_is_remade_and_what_came_of_it_shown(actions: EmbeddingActions, merged: Result, tmp_path: Path):
    for name in ("ant", "bee", "moth"):
        merged(name)
    merged("swarm", "'ant'+'bee'")
    save_embedding(Embedding("wild <b>", {"clip_l": torch.ones(1, 6)}), tmp_path / "embeddings" / "wild <b>.pt")
    assert library_job(actions.app.library_job.jobs.snapshot, actions.app.library_job.progress) == ""
    assert actions.remake.start("", {"overwrite": True}).good
    last = wait(actions)
    assert "Made again: 4. Not made: 1." in last
    assert "wild &lt;b&gt;:" in last
    assert "loaded is" not in actions.library("bee")
    assert actions.remake.start("", {"overwrite": True}).good
    assert "Made again: 0. Not made: 1." in wait(actions)
    assert actions.remake.start("moth", {}).good
    assert "Nothing to do" in wait(actions)


def test_it_shows_how_far_it_is_and_stops_when_asked_with_whole_files(
    actions: EmbeddingActions, merged: Result, monkeypatch: pytest.MonkeyPatch
):
    paths = [merged(name) for name in ("ant", "bee", "moth")]
    go_on, arrived = threading.Semaphore(2), threading.Event()
    remake = actions.app.remake

    def slowly(*given: Any) -> Iterator[Any]:
        for one in remake(*given):
            go_on.acquire()
            yield one
            arrived.set()

    monkeypatch.setattr(actions.app.library_job, "_remake", slowly)
    assert actions.remake.start("", {"overwrite": True}).good
    assert arrived.wait(SOON)
    job = actions.app.library_job.jobs.current
    assert job
    while job.snapshot.fraction != 2 / 3:
        time.sleep(0.01)
    html = library_job(job.snapshot, actions.app.library_job.progress)
    assert "2 of 3" in html
    assert "Time left" in html
    assert "still running" in actions.remake.start("", {}).html
    actions.remake.stop()
    assert "Stopping" in library_job(job.snapshot, actions.app.library_job.progress)
    go_on.release()
    assert "Made again: 3. Not made: 0." in wait(actions)
    assert all(load_embedding(path).model_name == "fine tune/v2" for path in paths)


def test_what_is_stopped_before_its_end_leaves_the_rest_as_it_was(actions: EmbeddingActions, merged: Result):
    ant, bee = merged("ant"), merged("bee").read_bytes()
    remake = actions.app.remake

    def stopping(*given: Any) -> Iterator[Any]:
        for one in remake(*given):
            actions.remake.stop()
            yield one

    actions.app.library_job._remake = stopping  # type: ignore[assignment]
    assert actions.remake.start("", {"overwrite": True}).good
    assert "Made again: 1. Not made: 0. Stopped; still to do: 1." in wait(actions)
    assert load_embedding(ant).model_name == "fine tune/v2"
    assert ant.with_stem("bee").read_bytes() == bee


def test_the_filter_bounds_what_is_remade(actions: EmbeddingActions, merged: Result):
    merged("ant")
    bee = merged("bee").read_bytes()
    actions.remake.start("ant", {"overwrite": True})
    wait(actions)
    folder = actions.app.embeddings_folder()
    assert load_embedding(folder / "ant.safetensors").model_name == "fine tune/v2"
    assert (folder / "bee.safetensors").read_bytes() == bee
    refused = actions.remake.start("bee", {"name": ""})
    assert [fault.where for fault in refused.faults] == ["name"]
