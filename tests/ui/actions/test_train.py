"""What buttons do: refusals name every fault, good values start a run, and nothing is lost."""

import pytest
from fake_app import FakeApp

from lib_ti.config.options import build_config
from lib_ti.config.train import TrainConfig
from lib_ti.errors import TIError
from lib_ti.ui.actions.train import Actions, faults_of, preview_schedule

SOON = 20.0


def test_train_starts_a_run_and_remembers_its_values_for_a_page_opened_later(app: FakeApp, values: dict[str, object]):
    actions = Actions(app)
    outcome = actions.train(values, resume=False)
    assert outcome.good
    assert outcome.faults == ()
    assert {path: app.submitted[path] for path in values} == values
    assert build_config(TrainConfig, app.submitted), "every field, so that a page built anew is filled"
    assert app.jobs.current is not None
    assert app.jobs.current.wait(SOON)
    assert app.jobs.snapshot.state == "finished"


def test_every_fault_is_reported_by_label_and_by_field_and_nothing_starts(app: FakeApp, values: dict[str, object]):
    outcome = Actions(app).train({**values, "optim.lr": "x", "optim.batch_size": 0, "embedding.name": ""}, resume=False)
    assert not outcome.good
    assert {fault.where for fault in outcome.faults} >= {"optim.batch_size", "embedding.name"}
    assert "Batch size" in outcome.html
    assert app.jobs.current is None
    outcome = Actions(app).train({**values, "optim.lr": "0.1, x"}, resume=False)
    assert [fault.where for fault in outcome.faults] == ["optim.lr"]
    assert "^" in outcome.faults[0].message


def test_a_second_run_is_refused_with_the_name_of_the_first(app: FakeApp, values: dict[str, object]):
    actions = Actions(app)
    app.pace = 0.05
    actions.train(values, resume=False)
    outcome = actions.train({**values, "embedding.name": "other"}, resume=False)
    assert not outcome.good
    assert "Train moth is still running" in outcome.html or "moth is still running" in outcome.html
    assert app.submitted["embedding.name"] == "moth"
    actions.stop()
    assert app.jobs.current is not None
    assert app.jobs.current.wait(SOON)


def test_stop_pause_save_and_preview_reach_the_run_and_resume_goes_on(app: FakeApp, values: dict[str, object]):
    app.pace = 0.02
    actions = Actions(app)
    actions.train({**values, "optim.steps": 500, "preview.every": 0, "save.every": 0}, resume=False)
    job = app.jobs.current
    assert job is not None
    actions.save_now()
    actions.preview_now()
    actions.pause_or_continue()
    assert job.control.paused
    actions.pause_or_continue()
    assert not job.control.paused
    while not (job.snapshot.previews and job.snapshot.saved):
        assert not job.wait(0.01)
    actions.stop()
    assert job.wait(SOON)
    assert job.snapshot.state == "stopped"
    stopped_at = job.snapshot.step
    actions.train({**values, "optim.steps": stopped_at + 3}, resume=True)
    assert app.jobs.current is not None
    assert app.jobs.current.wait(SOON)
    assert app.jobs.snapshot.first_step == stopped_at
    assert app.jobs.snapshot.state == "finished"


def test_buttons_without_a_run_do_nothing(app: FakeApp):
    actions = Actions(app)
    for press in (actions.stop, actions.pause_or_continue, actions.save_now, actions.preview_now):
        press()
    assert app.jobs.current is None


def test_check_shows_the_plan_and_starts_nothing(app: FakeApp, values: dict[str, object]):
    checked = Actions(app).check(values)
    assert "8 (8 an epoch)" in checked.plan
    assert app.jobs.current is None


def test_check_reports_faults_of_files_in_the_notice_and_of_fields_beside_them(app: FakeApp, values: dict[str, object]):
    checked = Actions(app).check({**values, "data.folder": "empty"})
    assert checked.plan == ""
    assert [fault.where for fault in checked.faults] == ["data.template"]
    assert "a&lt;b&gt;.png" in checked.html


def test_create_makes_the_file_and_reports_faults_beside_fields(app: FakeApp):
    actions = Actions(app)
    outcome = actions.create({"name": "moth"})
    assert outcome.good
    assert "moth.safetensors" in outcome.html
    assert "It is &lt;new&gt;." in outcome.html, "what was said while creating"
    second = actions.create({"name": "moth"})
    assert not second.good
    assert "Choose another name." in second.html
    assert [fault.where for fault in actions.create({"name": "moth", "vectors": 0}).faults] == ["vectors"]


def test_a_bug_is_not_swallowed(app: FakeApp, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(app, "create", lambda values: [][1])
    with pytest.raises(IndexError):
        Actions(app).create({"name": "moth"})


def test_the_schedule_preview_shows_stages_or_the_caret():
    shown = preview_schedule("0.005:20, 1e-3", 60)
    assert "1 – 20" in shown.html
    assert "21 – 60" in shown.html
    assert "ends at step 20" in preview_schedule("0.005:20", 60).html
    assert preview_schedule("0.005, x", 60).faults[0].where == "optim.lr"
    assert preview_schedule("0.005", None).good  # while the field of steps is being typed


def test_an_error_without_a_place_has_no_field():
    assert faults_of(TIError("no")) == faults_of(ValueError("no")) == faults_of(None) == ()
