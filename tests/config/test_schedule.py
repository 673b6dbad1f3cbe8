"""Learning-rate text: a stage read wrongly trains for hours at the wrong rate."""

import math
from dataclasses import replace
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lib_ti.config.schedule import Row, Schedule, Stage, parse_schedule
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
    ("cosine:100", "^^^^^^"),
    ("0.1 cosinus:100", "    ^^^^^^^"),
    ("0.1 warmup:100", "    ^^^^^^"),
    ("0.1 cosine 0.2:100", "           ^^^"),
    ("0.1r:10, 0.2", "         ^^^"),
    ("0.1:10, 0.2 linear:20, 0.3r", "                       ^^^^"),
    ("warmup:20", "^^^^^^"),
    ("warmup, 0.1", "^^^^^^"),
    ("warmup:-1, 0.1", "       ^^"),
    ("0.1 cosine, 0.2", "            ^^^"),
    ("r", "^"),
    ("0r", "^^"),
]


@pytest.mark.parametrize(("text", "caret"), REFUSED)
def test_refuses_with_a_caret_under_the_fault(text: str, caret: str) -> None:
    with pytest.raises(InvalidText) as caught:
        parse_schedule(text)
    assert str(caught.value).splitlines()[1:3] == [f"  {text}", f"  {caret}"]


WORDS = st.lists(
    st.sampled_from(["0.1", "0.6r", "cosine", "linear", "warmup", ":9", ":20", ":-1", ",", " "]), max_size=12
)


@given(st.text() | st.text("0123456789.eE:,+- \nr", max_size=40) | WORDS.map("".join) | WORDS.map(" ".join))
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
    assert schedule.table(0, 30) == [(1, 10, 0.005, 0.005), (11, 20, 1e-3, 1e-3), (21, 30, 1e-5, 1e-5)]
    assert schedule.table(15, 30) == [(16, 20, 1e-3, 1e-3), (21, 30, 1e-5, 1e-5)]
    assert schedule.table(0, 15) == [(1, 10, 0.005, 0.005), (11, 15, 1e-3, 1e-3)]
    assert parse_schedule("0.005:10").table(10, 30) == []


SHAPED = st.sampled_from(["constant", "cosine", "linear"])
shaped = st.builds(
    lambda schedule, shapes: Schedule(
        tuple(replace(stage, shape=shape) for stage, shape in zip(schedule.stages, shapes, strict=False))
    ),
    stages,
    st.lists(SHAPED, min_size=8, max_size=8),
)


@given(shaped, st.integers(0, 2000), st.integers(1, 2000))
def test_the_table_shown_beforehand_is_what_will_happen(schedule: Schedule, first: int, length: int) -> None:
    last = first + length
    schedule = schedule.ending(last)
    table = schedule.table(first, last)
    told = {update: rate for row in table for update, rate in ((row.first, row.rate), (row.last, row.last_rate))}
    assert all(schedule.rate_at(update - 1) == rate for update, rate in told.items() if update not in ends_of(table))
    assert sum(row.last - row.first + 1 for row in table) == min(length, max(0, (schedule.last_step or last) - first))
    curve = schedule.curve(first, last)  # the plot covers the same updates, without a gap
    assert [start for start, _, _ in curve[1:]] == [end + 1 for _, end, _ in curve[:-1]]
    assert sum(end - start + 1 for start, end, _ in curve) == sum(row.last - row.first + 1 for row in table)


def ends_of(table: list[Row]) -> set[int]:
    """Of stages of one update, whose first and last are told as one."""
    return {row.first for row in table if row.first == row.last and row.rate != row.last_rate}


def test_a_cosine_is_the_recipes() -> None:
    """f = 0.02 + 0.98 (1 + cos(pi (k - 1) / N)) / 2 of update k."""
    schedule = parse_schedule("0.6r cosine:125")
    assert schedule.relative
    for k in (1, 2, 63, 125):
        assert schedule.rate_at(k - 1) == pytest.approx(
            0.6 * (0.02 + 0.98 * (1 + math.cos(math.pi * (k - 1) / 125)) / 2)
        )
    assert schedule.rate_at(125) is None


def test_a_line_falls_evenly_and_a_warm_up_rises_to_the_rate_after_it() -> None:
    falling = parse_schedule("0.1 linear:10")
    rates = [falling.rate_at(k) or 0.0 for k in range(10)]
    assert rates[0] == 0.1
    steps = {round(a - b, 12) for a, b in pairwise(rates)}
    assert steps == {0.0098}
    rising = parse_schedule("warmup:4, 0.2 cosine:20, 0.1:30")
    assert [rising.rate_at(k) for k in range(5)] == pytest.approx([0.05, 0.1, 0.15, 0.2, 0.2])
    assert rising.rate_at(29) == 0.1


def test_each_stage_falls_within_its_own_updates() -> None:
    cycles = parse_schedule("0.6r cosine:100, 0.3r cosine:150")
    assert cycles.rate_at(100) == 0.3
    assert (cycles.rate_at(99) or 1) < 0.02
    assert cycles.ends(0, 150) == [100, 150]
    assert cycles.ends(100, 120) == [120]


def test_a_falling_rate_without_a_step_ends_with_the_run() -> None:
    for text in ("0.01 cosine", "0.01 cosine:-1"):
        schedule = parse_schedule(text).ending(400)
        assert schedule == parse_schedule("0.01 cosine:400")
    assert parse_schedule("0.01").ending(400) == parse_schedule("0.01")


def test_a_rate_is_written_as_it_was_given() -> None:
    assert parse_schedule("0.6r").written(0.6) == "0.6r"
    assert parse_schedule("0.005").written(0.005) == "0.005"


@given(shaped)
def test_a_schedule_is_written_as_it_is_read(schedule: Schedule) -> None:
    assert parse_schedule(schedule.text) == schedule


def test_a_stretched_schedule_has_every_stage_so_many_times_as_long() -> None:
    schedule = parse_schedule("warmup:5, 0.6r cosine:125, 0.1r").stretched(2.5)
    assert schedule.text == "warmup:12, 0.6r cosine:312, 0.1r"
