"""Every open page must become true to the run, and only what changed may be sent to it."""

from dataclasses import replace
from pathlib import Path

from fake_app import FakeApp

from lib_ti.errors import HostError
from lib_ti.ui import wording
from lib_ti.ui.actions.train import Actions
from lib_ti.ui.view import PARTS, choose, view_of

SOON = 20.0


def run(app: FakeApp, values: dict[str, object]) -> None:
    assert Actions(app).train(values, resume=False).good
    assert app.jobs.current is not None
    assert app.jobs.current.wait(SOON)


def test_a_page_that_shows_the_present_is_sent_nothing(app: FakeApp):
    view = view_of(app)
    jobs = {"preparation", "preparing", "remake", "remaking", "description", "describing"}
    assert view.changed({}) == {*PARTS, "buttons", "ending", *jobs}
    assert view_of(app).changed(view.fingerprints) == set()


def test_a_page_opened_after_a_run_shows_all_of_it(app: FakeApp, values: dict[str, object]):
    before = view_of(app)
    run(app, values)
    view = view_of(app)
    assert {"progress", "curves", "preview", "strip", "plan", "log"} <= view.changed(before.fingerprints)
    assert "model" not in view.changed(before.fingerprints)
    assert "Step 20" in view.parts["preview"]
    assert view.parts["strip"].count("data-preview") == 4


def test_an_older_preview_stays_large_once_chosen_until_the_newest_is_chosen(app: FakeApp, values: dict[str, object]):
    run(app, values)
    chosen = choose(app, "1")
    assert "Step 10" in view_of(app, chosen).parts["preview"]
    assert choose(app, "3") is None
    assert "Step 20" in view_of(app, None).parts["preview"]
    for nonsense in ("", "99", "x", "-1"):
        assert choose(app, nonsense) is None


def test_a_choice_of_an_earlier_run_is_forgotten(app: FakeApp, values: dict[str, object]):
    run(app, values)
    chosen = choose(app, "0")
    run(app, {**values, "embedding.overwrite": True})
    assert "Step 20" in view_of(app, chosen).parts["preview"]


def test_a_paused_run_offers_to_continue(app: FakeApp, values: dict[str, object]):
    app.pace = 0.05
    actions = Actions(app)
    actions.train(values, resume=False)
    assert view_of(app).pause_label == wording.PAUSE
    assert view_of(app).active
    actions.pause_or_continue()
    assert view_of(app).pause_label == wording.CONTINUE
    actions.stop()
    assert app.jobs.current is not None
    assert app.jobs.current.wait(SOON)
    assert view_of(app).pause_label == wording.PAUSE


def test_the_model_is_named_or_why_there_is_none(app: FakeApp):
    assert "SD1" in view_of(app).parts["model"]

    def none() -> object:
        raise HostError("no checkpoint is loaded")

    app.host.model = none  # type: ignore[method-assign, assignment]
    assert "no checkpoint is loaded" in view_of(app).parts["model"]


def test_a_checkpoint_that_is_not_loaded_yet_is_named_and_no_fault(app: FakeApp):
    def load() -> object:
        raise AssertionError("to look at the page is no reason to load a model")

    app.host.pending_model = lambda: "sleeper <b>"  # type: ignore[attr-defined]
    app.host.model = load  # type: ignore[method-assign, assignment]
    model = view_of(app).parts["model"]
    assert "sleeper &lt;b&gt;" in model
    assert wording.LOADED_LATER in model
    assert "bad" not in model


def test_a_new_checkpoint_is_seen(app: FakeApp, tmp_path: Path):
    before = view_of(app)
    other = replace(app.host.model(), name="other", family="sdxl")
    app.host.model = lambda: other  # type: ignore[method-assign]
    view = view_of(app)
    assert view.changed(before.fingerprints) == {"model"}
    assert "SDXL" in view.parts["model"]
