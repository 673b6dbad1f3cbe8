"""What a page shows must follow from the events alone: a page opened late shows the same as one that was there all along."""

from pathlib import Path

import pytest

from lib_ti.events import (
    Event,
    Failed,
    Finished,
    Paused,
    Planned,
    PreviewReady,
    Resumed,
    Saved,
    Status,
    StepDone,
    Warned,
)
from lib_ti.jobs.snapshot import KEPT, Snapshot, fold

START = Snapshot(1, "Train cat", "planning")
PLANNED = Planned("cat", "demo", 10, 60, ("50 steps",), Path("run"))


def step(number: int, seconds: float = 0.5, images: int = 2) -> StepDone:
    return StepDone(number, 60, 1, 3, 0.25, 0.005, {"clip_l": 0.4}, images, seconds)


def after(*events: Event) -> Snapshot:
    snapshot = START
    for event in events:
        snapshot = fold(snapshot, event)
    return snapshot


def test_a_run_is_followed_from_plan_to_end():
    assert after(Status("Encoding", 0.5)).status == "Encoding"
    planned = after(PLANNED)
    assert (planned.state, planned.step, planned.last_step, planned.plan) == ("running", 10, 60, ("50 steps",))
    stepped = after(PLANNED, Status("Encoding", 0.5), step(11))
    assert (stepped.step, stepped.loss, stepped.rate, stepped.epoch) == (11, 0.25, 0.005, 1)
    assert stepped.status == ""  # the work it spoke of is done
    done = after(PLANNED, step(11), Finished(60, Path("cat.safetensors")))
    assert (done.state, done.result, done.active) == ("finished", Path("cat.safetensors"), False)


def test_a_stopped_run_says_stopped_and_not_finished():
    assert after(PLANNED, Finished(20, Path("cat.safetensors"), stopped=True)).state == "stopped"


def test_a_failed_job_never_says_finished_whatever_comes_after():
    failed = after(PLANNED, Failed("no memory", "use less"), Finished(60, Path("x")), step(61))
    assert failed.state == "failed"
    assert failed.failure == Failed("no memory", "use less")
    assert failed.step == 10


def test_pause_and_resume_are_seen():
    assert after(PLANNED, Paused(11)).state == "paused"
    assert after(PLANNED, Paused(11), Resumed(11)).state == "running"


def test_time_to_go_comes_from_the_latest_steps():
    slow_start = [step(number, seconds=60.0) for number in range(1, 11)]
    snapshot = after(PLANNED, *slow_start, *[step(number) for number in range(11, 51)])
    assert snapshot.seconds_left == pytest.approx(10 * 0.5)
    assert snapshot.images_per_second == pytest.approx(4.0)
    assert after(PLANNED).seconds_left is None
    assert fold(snapshot, Finished(60, Path("x"))).seconds_left is None


def test_previews_saves_and_warnings_are_kept_in_order_and_bounded():
    previews = [PreviewReady(number, Path(f"{number}.png"), "a cat", 7) for number in (10, 20)]
    snapshot = after(*previews, Saved(10, Path("a"), "copy"), Warned("careful"))
    assert snapshot.previews == tuple(previews)
    assert snapshot.saved == (Saved(10, Path("a"), "copy"),)
    assert snapshot.warnings == ("careful",)
    many = after(*[Saved(number, Path("a"), "copy") for number in range(KEPT + 10)])
    assert [many.saved[0].step, len(many.saved)] == [10, KEPT]


def test_a_resumed_run_keeps_its_curve_and_previews_up_to_where_it_goes_on():
    previews = [PreviewReady(number, Path(f"{number}.png"), "a cat", 7) for number in (12, 20)]
    events = [PLANNED, step(11), step(12), previews[0], Saved(12, Path("a"), "copy"), step(20), previews[1]]
    stopped = fold(after(*events), Finished(20, Path("cat"), stopped=True))
    begun = Snapshot(2, "Train cat", "planning", before=stopped)
    resumed = fold(begun, Planned("cat", "demo", 12, 60, (), Path("run")))
    assert [point.step for point in resumed.history.points] == [11, 12]
    assert (resumed.previews, resumed.saved) == ((previews[0],), (Saved(12, Path("a"), "copy"),))
    assert (resumed.job, resumed.before, resumed.result) == (2, None, None)
    for other in (Planned("cat", "demo", 0, 60, (), Path("run")), Planned("dog", "demo", 12, 60, (), Path("run2"))):
        assert fold(begun, other).history.points == fold(begun, other).previews == ()


def test_no_run_is_idle():
    assert (Snapshot().state, Snapshot().active) == ("idle", False)
