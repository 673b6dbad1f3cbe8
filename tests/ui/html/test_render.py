"""Words of users and of files must arrive as words, never as markup; what a run says of itself must be on the page."""

from dataclasses import replace
from html import escape
from pathlib import Path

import pytest
from fake_app import FakeApp

from lib_ti.errors import Fault
from lib_ti.events import Failed, PreviewReady, Saved
from lib_ti.host import EncoderInfo, ModelInfo
from lib_ti.jobs.snapshot import Snapshot
from lib_ti.library.result import Result
from lib_ti.ui import wording
from lib_ti.ui.html import render

EVIL = '<img src=x onerror="alert(1)">'
RUNNING = Snapshot(1, "moth", "running", step=30, last_step=60, loss=0.1234, recent=((2, 0.5),), epoch=3)


def test_nothing_a_user_or_file_says_becomes_markup(app: FakeApp):
    preview = PreviewReady(1, app.picture(1), EVIL, 7)
    model = ModelInfo(EVIL, EVIL, "sd1", (EncoderInfo(EVIL, 768, 0),), "epsilon", 512)
    snapshot = replace(
        RUNNING, name=EVIL, status=EVIL, warnings=(EVIL,), saved=(Saved(1, Path(EVIL), EVIL),), run_folder=Path(EVIL)
    )
    pages = [
        render.model_header(model),
        render.no_model_header(EVIL),
        render.progress(snapshot),
        render.progress(replace(snapshot, state="failed", failure=Failed(EVIL, EVIL, False, EVIL))),
        render.progress(replace(snapshot, state="stopped", result=Path(EVIL))),
        render.preview(preview),
        render.strip([preview, preview], 0),
        render.plan([EVIL, f"Start: {EVIL}"], [EVIL], EVIL),
        render.log(snapshot),
        render.field_faults([Fault(EVIL, EVIL, EVIL)]),
        render.fault_list([Fault(EVIL, EVIL, EVIL)], {EVIL: EVIL}),
        render.made([Result(Path(EVIL), "sd1", 1, (EVIL,))], EVIL),
        render.schedule([(1, 2, 0.1)], EVIL),
    ]
    for page in pages:
        assert "<img src=x" not in page
        assert 'onerror="' not in page


def test_a_running_job_shows_step_loss_speed_and_time_to_go():
    html = render.progress(RUNNING)
    for words in ("30 / 60", "0.1234", "4 images/s", "15 s", "width:50.00%"):
        assert words in html


def test_a_fast_run_tells_its_speed_in_plain_digits():
    assert "1,400 images/s" in render.progress(replace(RUNNING, recent=((700, 0.5),)))


def test_work_before_the_first_step_is_told_with_its_share():
    assert "Encoding picture 2 of 8 (25 %)" in render.progress(
        Snapshot(1, "moth", "planning", "Encoding picture 2 of 8", 0.25)
    )


def test_a_failure_shows_what_to_do_and_a_bug_its_traceback():
    failed = replace(RUNNING, state="failed", failure=Failed("No pictures.", "Choose another folder."))
    assert "Choose another folder." in render.progress(failed)
    assert wording.STATES["finished"] not in render.progress(failed)
    bug = replace(failed, failure=Failed("IndexError: 1", expected=False, details="Traceback: line 1"))
    assert "Traceback: line 1" in render.progress(bug)


def test_a_stopped_run_says_where_it_is_saved_and_how_to_go_on():
    html = render.progress(replace(RUNNING, state="stopped", result=Path("out/moth.safetensors")))
    assert "moth.safetensors" in html
    assert wording.RESUME in html


def test_before_the_first_run_the_page_says_what_to_press():
    assert wording.NOTHING_RUNS in render.progress(Snapshot())
    assert render.curves(Snapshot()) == render.log(Snapshot()) == render.plan(()) == render.strip((), -1) == ""


def test_a_preview_whose_file_is_gone_is_said_to_be(tmp_path: Path):
    assert escape(wording.PREVIEW_GONE) in render.preview(PreviewReady(1, tmp_path / "gone.png", "a moth", 7))


def test_the_newest_saved_file_comes_first():
    html = render.log(replace(RUNNING, saved=(Saved(10, Path("a-10"), "copy"), Saved(20, Path("a-20"), "copy"))))
    assert html.index("a-20") < html.index("a-10")


def test_a_fault_keeps_its_caret_beside_the_field_and_its_label_in_the_notice():
    fault = Fault("optim.lr", "'x' is not a rate.\n  0.1, x\n       ^", "write a number")
    assert "       ^" in render.field_faults([fault])
    notice = render.fault_list(
        [fault, Fault("optim.steps", "Max steps is 0")], {"optim.lr": "Rate", "optim.steps": "Max steps"}
    )
    assert "<b>Rate:</b>" in notice
    assert "Max steps is 0" in notice
    assert "Max steps:" not in notice


@pytest.mark.parametrize(
    ("seconds", "words"), [(0.2, "0 s"), (59.6, "1 min 0 s"), (75, "1 min 15 s"), (7260, "2 h 1 min")]
)
def test_time_is_told_in_words(seconds: float, words: str):
    assert render.duration(seconds) == words


def test_a_run_that_was_stopped_before_its_first_step_does_not_claim_a_file():
    html = render.progress(Snapshot(job=1, state="stopped"))
    assert "nothing was saved" in html
    assert "Saved to" not in html
