"""A host that loads its model when it is first needed, as Forge does."""

from pathlib import Path

import pytest

from lib_ti.app import App
from lib_ti.config.embeddings import CreateConfig
from lib_ti.errors import HostError
from lib_ti.host import ModelInfo
from lib_ti.ui.actions.embeddings import EmbeddingActions
from tests.toy_host import ToyHost


class SleepingHost(ToyHost):
    loaded = False

    def pending_model(self) -> str:
        return "" if self.loaded else "sleeper"

    def model(self) -> ModelInfo:
        self.loaded = True
        return super().model()


def test_to_look_at_the_model_does_not_load_it_but_to_create_does(tmp_path: Path) -> None:
    host = SleepingHost(tmp_path)
    app = App(host)
    with pytest.raises(HostError, match="sleeper is chosen, and loaded when it is first needed"):
        app.model()
    assert not host.loaded
    app.create(CreateConfig("star", init="cat"))
    assert app.model().family == "sd1"


def test_to_inspect_and_to_make_again_loads_it(tmp_path: Path) -> None:
    host = SleepingHost(tmp_path)
    actions = EmbeddingActions(App(host))
    actions.app.create(CreateConfig("star", init="cat"))
    host.loaded = False
    seen = actions.inspect({"source": "embedding", "file": "star.safetensors"})
    assert seen.good, seen.html
    host.loaded = False
    assert actions.remake.start("", {}).good
    job = actions.app.library_job.jobs.current
    assert job
    assert job.wait(60)
    assert job.snapshot.state == "finished", job.snapshot.failure
    assert host.loaded
