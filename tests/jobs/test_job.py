"""Whatever work does, a user sees one true end of it, and can start the next."""

import logging
import threading
from pathlib import Path

import pytest

from lib_ti.control import Control
from lib_ti.errors import Busy, Fault, InvalidDataset, InvalidText, TIError, TrainingFailed
from lib_ti.events import Emit, Failed, Finished, Planned, PreviewReady
from lib_ti.jobs.job import Job, Jobs, Work

SOON = 10.0


def ended(work: Work) -> Job:
    job = Jobs().start("Train cat", work)
    assert job.wait(SOON)
    assert not job.active
    return job


def test_work_that_announces_its_end_keeps_it():
    path = Path("cat.safetensors")
    snapshot = ended(lambda emit, control: emit(Finished(60, path, stopped=True))).snapshot
    assert (snapshot.state, snapshot.step, snapshot.result) == ("stopped", 60, path)


def test_work_that_announces_nothing_is_finished_with_what_it_returned():
    snapshot = ended(lambda emit, control: Path("made.pt")).snapshot
    assert (snapshot.state, snapshot.result) == ("finished", Path("made.pt"))


def test_a_users_error_is_a_failure_with_its_hint(caplog: pytest.LogCaptureFixture):
    def work(emit: Emit, control: Control) -> None:
        raise TIError("no pictures in /x", "choose another folder", "data.folder")

    job = ended(work)
    assert job.snapshot.failure == Failed("data.folder: no pictures in /x", "choose another folder")
    assert not caplog.records  # the user's to mend: no traceback in the log


def test_all_faults_and_the_caret_reach_the_page():
    def faults(emit: Emit, control: Control) -> None:
        raise InvalidDataset([Fault("a.png", "broken"), Fault("b.png", "empty")])

    def text(emit: Emit, control: Control) -> None:
        raise InvalidText("Not a rate.", "x:1", 0, 1, "Write a number.")

    job = ended(faults)
    assert job.snapshot.failure is not None
    assert "a.png: broken" in job.snapshot.failure.message
    assert "b.png: empty" in job.snapshot.failure.message
    assert isinstance(job.error, InvalidDataset)
    assert ended(text).snapshot.failure == Failed("Not a rate.\n  x:1\n  ^", "Write a number.")


def test_a_bug_keeps_its_traceback_on_the_page_and_in_the_log(caplog: pytest.LogCaptureFixture):
    def work(emit: Emit, control: Control) -> None:
        [][1]

    with caplog.at_level(logging.ERROR):
        failure = ended(work).snapshot.failure
    assert failure is not None
    assert not failure.expected
    assert "IndexError" in failure.message
    assert "[][1]" in failure.details
    assert caplog.records[0].exc_info


def test_work_that_fails_after_it_said_finished_did_not_finish():
    def work(emit: Emit, control: Control) -> None:
        emit(Finished(60, Path("x")))
        raise TIError("the folder cannot be refreshed")

    assert ended(work).snapshot.state == "failed"


def test_a_thread_that_exits_still_ends_the_job():
    def work(emit: Emit, control: Control) -> None:
        raise SystemExit(1)

    assert ended(work).snapshot.state == "failed"


def test_a_second_job_is_refused_by_name_while_one_runs_and_welcome_after():
    jobs, go = Jobs(), threading.Event()
    assert jobs.snapshot.state == "idle"
    first = jobs.start("Train cat", lambda emit, control: go.wait(SOON))
    with pytest.raises(Busy, match="Train cat is still running"):
        jobs.start("Train dog", lambda emit, control: None)
    assert jobs.current is first
    assert not first.wait(0.01)
    go.set()
    assert first.wait(SOON)
    assert jobs.start("Train dog", lambda emit, control: None).wait(SOON)
    assert jobs.snapshot.name == "Train dog"


def test_a_resume_after_a_refused_attempt_still_finds_the_run_before():
    jobs = Jobs()

    def run(emit: Emit, control: Control, first: int = 0) -> None:
        emit(Planned("cat", "demo", first, 60, (), Path("run")))
        emit(PreviewReady(first + 5, Path(f"{first}.png"), "a cat", 7))

    def refused(emit: Emit, control: Control) -> None:
        raise TIError("cat exists")

    for work in (run, refused, lambda emit, control: run(emit, control, 5)):
        assert jobs.start("Train cat", work).wait(SOON)
    assert [preview.step for preview in jobs.snapshot.previews] == [5, 10]


def test_stop_is_seen_at_once_even_before_the_work_obeys():
    seen, go = threading.Event(), threading.Event()

    def work(emit: Emit, control: Control) -> None:
        emit(Planned("cat", "demo", 0, 60, (), Path("run")))
        seen.set()
        go.wait(SOON)

    job = Jobs().start("Train cat", work)
    assert seen.wait(SOON)
    assert job.snapshot.state == "running"
    job.control.stop()
    assert job.snapshot.state == "stopping"
    go.set()
    assert job.wait(SOON)
    assert job.snapshot.state == "stopped"


def test_work_that_makes_no_file_names_none():
    assert ended(lambda emit, control: None).snapshot.result is None


def test_the_error_itself_its_causes_and_the_words_of_its_traceback_stay():
    def work(emit: Emit, control: Control) -> None:
        try:
            [][1]
        except IndexError as error:
            raise TrainingFailed("no", "do", "optim.lr") from error

    def bug(emit: Emit, control: Control) -> None:
        {}["none"]

    job = Jobs().start("Train cat", work)
    assert job.wait(SOON)
    assert isinstance(job.error, TrainingFailed)
    assert (job.error.where, job.error.hint) == ("optim.lr", "do")
    assert isinstance(job.error.__cause__, IndexError)
    assert job.error.__traceback__ is job.error.__cause__.__traceback__ is None
    job = Jobs().start("Train cat", bug)
    assert job.wait(SOON)
    assert job.snapshot.failure is not None
    assert '{}["none"]' in job.snapshot.failure.details


def test_causes_that_go_in_a_circle_end_the_job_all_the_same():
    def work(emit: Emit, control: Control) -> None:
        first, second = TIError("first"), TIError("second")
        first.__cause__, second.__cause__ = second, first
        raise first

    job = Jobs().start("Train cat", work)
    assert job.wait(SOON)
    assert job.snapshot.state == "failed"
