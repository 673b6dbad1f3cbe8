"""Words of users and of files must arrive as words, never as markup; what a run says of itself must be on the page."""

from dataclasses import replace
from html import escape
from pathlib import Path

import pytest
from fake_app import FakeApp

from lib_ti.config.schedule import parse_schedule
from lib_ti.errors import Fault
from lib_ti.events import Failed, PreviewReady, Saved
from lib_ti.host import EncoderInfo, ModelInfo
from lib_ti.jobs.snapshot import Snapshot
from lib_ti.library.result import Result
from lib_ti.ui import wording
from lib_ti.ui.html import notices, run

EVIL = '<img src=x onerror="alert(1)">'
RUNNING = Snapshot(1, "moth", "running", step=30, last_step=60, loss=0.1234, recent=((2, 0.5),), epoch=3)


def test_nothing_a_user_or_file_says_becomes_markup(app: FakeApp):
    preview = PreviewReady(1, app.picture(1), EVIL, 7)
    model = ModelInfo(EVIL, EVIL, "sd1", (EncoderInfo(EVIL, 768, 0),), "epsilon", 512)
    snapshot = replace(
        RUNNING, name=EVIL, status=EVIL, warnings=(EVIL,), saved=(Saved(1, Path(EVIL), EVIL),), run_folder=Path(EVIL)
    )
    pages = [
        run.model_header(model),
        run.no_model_header(EVIL),
        run.progress(snapshot),
        run.progress(replace(snapshot, state="failed", failure=Failed(EVIL, EVIL, False, EVIL))),
        run.progress(replace(snapshot, state="stopped", result=Path(EVIL))),
        run.preview(preview),
        run.strip([preview, preview], 0),
        run.plan([EVIL, f"Start: {EVIL}"], [EVIL], EVIL),
        run.log(snapshot),
        notices.field_faults([Fault(EVIL, EVIL, EVIL)]),
        notices.fault_list([Fault(EVIL, EVIL, EVIL)], {EVIL: EVIL}),
        notices.results([Result(Path(EVIL), "sd1", 1, (EVIL,))], EVIL),
        run.schedule(parse_schedule("0.1"), 2, EVIL),
    ]
    for page in pages:
        assert "<img src=x" not in page
        assert 'onerror="' not in page


def test_a_running_job_shows_step_loss_speed_and_time_to_go():
    html = run.progress(RUNNING)
    for words in ("30 / 60", "0.1234", "4 images/s", "15 s", "width:50.00%"):
        assert words in html


def test_a_fast_run_shows_its_speed_in_plain_digits():
    assert "1,400 images/s" in run.progress(replace(RUNNING, recent=((700, 0.5),)))


def test_work_before_the_first_step_is_shown_with_its_share():
    assert "Encoding picture 2 of 8 (25 %)" in run.progress(
        Snapshot(1, "moth", "planning", "Encoding picture 2 of 8", 0.25)
    )


def test_a_failure_shows_what_to_do_and_a_bug_its_traceback():
    failed = replace(RUNNING, state="failed", failure=Failed("No pictures.", "Choose another folder."))
    assert "Choose another folder." in run.progress(failed)
    assert wording.STATES["finished"] not in run.progress(failed)
    bug = replace(failed, failure=Failed("IndexError: 1", expected=False, details="Traceback: line 1"))
    assert "Traceback: line 1" in run.progress(bug)


def test_a_stopped_run_says_where_it_is_saved_and_how_to_go_on():
    html = run.progress(replace(RUNNING, state="stopped", result=Path("out/moth.safetensors")))
    assert "moth.safetensors" in html
    assert wording.RESUME in html


def test_before_the_first_run_the_page_says_what_to_press():
    assert wording.NOTHING_RUNS in run.progress(Snapshot())
    assert run.curves(Snapshot()) == run.log(Snapshot()) == run.plan(()) == run.strip((), -1) == ""


def test_a_preview_whose_file_is_gone_is_said_to_be(tmp_path: Path):
    assert escape(wording.PREVIEW_GONE) in run.preview(PreviewReady(1, tmp_path / "gone.png", "a moth", 7))


def test_the_newest_saved_file_comes_first():
    html = run.log(replace(RUNNING, saved=(Saved(10, Path("a-10"), "copy"), Saved(20, Path("a-20"), "copy"))))
    assert html.index("a-20") < html.index("a-10")


@pytest.mark.parametrize(
    ("seconds", "words"), [(0.2, "0 s"), (59.6, "1 min 0 s"), (75, "1 min 15 s"), (7260, "2 h 1 min")]
)
def test_time_is_written_in_words(seconds: float, words: str):
    assert run.duration(seconds) == words


def test_a_run_that_was_stopped_before_its_first_step_does_not_claim_a_file():
    html = run.progress(Snapshot(job=1, state="stopped"))
    assert "nothing was saved" in html
    assert "Saved to" not in html
