"""Whoever is refused must see what to mend, and where."""

from pathlib import Path

from lib_ti.errors import Fault
from lib_ti.library.result import Result
from lib_ti.ui.html import notices


def test_a_fault_keeps_its_caret_beside_the_field_and_its_label_in_the_notice():
    fault = Fault("optim.lr", "'x' is not a rate.\n  0.1, x\n       ^", "write a number")
    assert "       ^" in notices.field_faults([fault])
    notice = notices.fault_list(
        [fault, Fault("optim.steps", "Max steps is 0")], {"optim.lr": "Rate", "optim.steps": "Max steps"}
    )
    assert "<b>Rate:</b>" in notice
    assert "Max steps is 0" in notice
    assert "Max steps:" not in notice


def test_what_is_good_to_know_of_a_new_files_name_is_no_warning():
    html = notices.results([Result(Path("a.pt"), "sd1", 1, ("It is cropped.",), "It is made of words.")], "Go on.")
    assert '<p class="ti_lab_warning">It is cropped.</p>' in html
    assert '<p class="ti_lab_soft">It is made of words.</p>' in html
