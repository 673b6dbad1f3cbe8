"""Learning-rate text: a stage read wrongly trains for hours at the wrong rate."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lib_ti.config.schedule import Schedule, Stage, parse_schedule
from lib_ti.errors import InvalidText

READ = {
    "0.005": [(0.005, None)],
    "5e-3": [(0.005, None)],
    " 1E-3 ": [(1e-3, None)],
    ".5:10": [(0.5, 10)],
    "1.:10": [(1.0, 10)],
    "0.005:100, 1e-3:1000, 1e-5": [(0.005, 100), (1e-3, 1000), (1e-5, None)],
    "0.005:100,1e-3:-1": [(0.005, 100), (1e-3, None)],
    "0.005 : 100 , 1e-3": [(0.005, 100), (1e-3, None)],
    ", 0.005:100,, 1e-3 ,": [(0.005, 100), (1e-3, None)],
}


@pytest.mark.parametrize("text", READ)
def test_reads_every_form_that_a1111_takes(text: str) -> None:
    assert parse_schedule(text) == Schedule(tuple(Stage(rate, until) for rate, until in READ[text]))


# The refused text, and below it the caret that must stand under what is wrong.
REFUSED = [
    ("", "^"),
    (" , ", "^^^"),
    ("fast", "^^^^"),
    ("0.005:100, x", "           ^"),
    ("0.005:100, 1e-3:soon", "                ^^^^"),
    ("0.005:", "      ^"),
    (":100", "^"),
    ("-0.005", "^^^^^^"),
    ("0.1:10, 0", "        ^"),
    ("nan", "^^^"),
    ("1e999", "^^^^^"),
    ("0.1:10, 0.01:10", "             ^^"),
    ("0.1:10, 0.01:5", "             ^"),
    ("0.1:0", "    ^"),
    ("0.1:-5", "    ^^"),
    ("0.1:1.5", "    ^^^"),
    ("0.1:1:2", "    ^^^"),
    ("0.1, 0.01:100", "     ^^^^^^^^"),
    ("0.1:-1, 0.01", "        ^^^^"),
]


@pytest.mark.parametrize(("text", "caret"), REFUSED)
def test_refuses_with_a_caret_under_the_fault(text: str, caret: str) -> None:
    with pytest.raises(InvalidText) as caught:
        parse_schedule(text)
    assert str(caught.value).splitlines()[1:3] == [f"  {text}", f"  {caret}"]


@given(st.text() | st.text("0123456789.eE:,+- \n", max_size=40))
def test_any_text_is_a_schedule_or_a_fault_inside_the_text(text: str) -> None:
    schedule = fault = None
    try:
        schedule = parse_schedule(text)
    except InvalidText as error:
        fault = error
    if schedule:
        assert all(stage.rate > 0 for stage in schedule.stages)
        ends = [stage.until for stage in schedule.stages[:-1]]
        assert ends == sorted({end for end in ends if end is not None})
    else:
        assert fault
        assert fault.message
        assert 0 <= fault.start <= fault.end <= len(text)


stages = st.builds(
    lambda rates, steps, endless: Schedule(
        tuple(map(Stage, rates, [*sorted(steps), None] if endless else sorted(steps)))
    ),
    st.lists(st.floats(1e-12, 1e3), min_size=8, max_size=8),
    st.sets(st.integers(1, 10**6), min_size=1, max_size=6),
    st.booleans(),
)


@given(stages)
def test_a_schedule_written_out_reads_back_the_same(schedule: Schedule) -> None:
    text = ", ".join(f"{s.rate!r}" if s.until is None else f"{s.rate!r}:{s.until}" for s in schedule.stages)
    assert parse_schedule(text) == schedule


def test_a_rate_holds_for_exactly_its_updates() -> None:
    schedule = parse_schedule("0.005:10, 1e-3:20, 1e-5")
    rates = [schedule.rate_at(completed) for completed in range(30)]
    assert rates == [0.005] * 10 + [1e-3] * 10 + [1e-5] * 10


def test_training_ends_where_the_last_stage_does() -> None:
    schedule = parse_schedule("0.005:10, 1e-3:20")
    assert schedule.last_step == 20
    assert schedule.rate_at(19) == 1e-3
    assert schedule.rate_at(20) is None
    assert parse_schedule("0.005").last_step is None


def test_the_table_drops_what_lies_in_the_past_on_resume() -> None:
    schedule = parse_schedule("0.005:10, 1e-3:20, 1e-5")
    assert schedule.table(0, 30) == [(1, 10, 0.005), (11, 20, 1e-3), (21, 30, 1e-5)]
    assert schedule.table(15, 30) == [(16, 20, 1e-3), (21, 30, 1e-5)]
    assert schedule.table(0, 15) == [(1, 10, 0.005), (11, 15, 1e-3)]
    assert parse_schedule("0.005:10").table(10, 30) == []


@given(stages, st.integers(0, 2000), st.integers(0, 2000))
def test_the_table_shown_beforehand_is_what_will_happen(schedule: Schedule, first: int, length: int) -> None:
    table = schedule.table(first, first + length)
    told = {update: rate for begin, end, rate in table for update in (begin, end)}
    assert all(schedule.rate_at(update - 1) == rate for update, rate in told.items())
    assert sum(end - begin + 1 for begin, end, _ in table) == min(
        length, max(0, (schedule.last_step or first + length) - first)
    )
