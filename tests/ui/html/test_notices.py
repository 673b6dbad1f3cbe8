"""Whoever is refused must see what to mend, and where."""

from lib_ti.errors import Fault
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
