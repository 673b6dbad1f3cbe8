"""What a user sees of a search for words, and what the words are taken to; without gradio."""

import pytest
from fake_app import FakeApp

from lib_ti.ui import wording
from lib_ti.ui.actions.describe import DescribeActions
from lib_ti.ui.view import view_of

SOON = 20.0


@pytest.fixture
def actions(app: FakeApp) -> DescribeActions:
    return DescribeActions(app.description_job)


def wait(actions: DescribeActions) -> None:
    assert actions.job.jobs.current
    assert actions.job.jobs.current.wait(SOON)


def test_words_appear_with_bars_losses_and_what_they_cost(app: FakeApp, actions: DescribeActions):
    assert view_of(app).parts["description"] == ""
    assert actions.start("in", {"words": 2}).good
    wait(actions)
    shown = view_of(app).parts["description"]
    assert "<b>a</b>" in shown
    assert 'style="width:100.00%"' in shown  # the word that takes most away
    assert 'style="width:50.00%"' in shown
    assert "20.0 %" in shown
    assert "&lt;moth&gt;" in shown
    assert "as much work as learning from 96" in shown
    assert "&#x27;a&#x27;,&#x27;b&#x27;" in shown


def test_while_it_searches_the_page_tells_how_far_it_is_and_can_stop_it(app: FakeApp, actions: DescribeActions):
    app.pace = 0.05
    actions.start("in", {"words": 9})
    view = view_of(app)
    assert view.describing
    assert wording.DESCRIBING in view.parts["description"]
    assert not actions.start("in", {}).good
    actions.stop()
    wait(actions)
    assert wording.DESCRIBE_STOPPED in view_of(app).parts["description"]


def test_words_are_taken_to_merge_and_to_a_start_with_a_vector_each(actions: DescribeActions):
    assert not actions.found
    actions.start("in", {"words": 3})
    wait(actions)
    assert actions.found
    assert actions.for_merge() == {"expression": "'a','b','c'"}
    assert actions.for_start(1) == ("a b c", 3)
    assert actions.for_start(8) == ("a b c", 8)
    assert actions.for_start(None) == ("a b c", 3)


def test_faults_come_beside_their_fields_at_once_or_when_the_pictures_are_read(actions: DescribeActions):
    outcome = actions.start("", {"words": 0})
    assert {fault.where for fault in outcome.faults} == {"pictures", "words"}
    assert "Folder of pictures is missing" in outcome.html
    assert actions.start("empty", {}).good
    wait(actions)
    assert [fault.where for fault in actions.ending().faults] == ["pictures"]


def test_where_no_word_was_found_that_is_told(app: FakeApp, actions: DescribeActions):
    app.pace = 0.1
    actions.start("in", {"words": 1})
    actions.stop()
    wait(actions)
    assert not actions.found
    assert wording.NO_WORD in view_of(app).parts["description"]
    assert actions.for_start(2) == ("", 2)
