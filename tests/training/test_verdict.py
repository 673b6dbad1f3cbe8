"""A user would lose: the best copy, an end in time, and knowing what to do next."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lib_ti.training.verdict import Measurement, best_of, gain_of, is_settled, judge


def scores(*values: float, every: int = 10) -> list[Measurement]:
    return [Measurement(every * number, value / 2, value) for number, value in enumerate(values)]


def kinds(*values: float, losses: tuple[float, ...] = (2.0, 1.0), held_out: bool = False, **more: float) -> list[str]:
    found = judge(scores(*values), losses, {"clip_l": more.get("length", 1.0)}, more.get("kept"), held_out)
    assert all(verdict.reason and verdict.hint for verdict in found)
    return [verdict.kind for verdict in found]


def test_the_best_is_the_first_of_the_lowest_score() -> None:
    assert best_of(scores(1.0, 0.5, 0.6, 0.5)).step == 10


def test_gain_is_told_as_a_share_of_what_had_been_gained() -> None:
    measured = scores(1.0, 0.6, 0.7, 0.5)
    assert gain_of(measured, 20) == pytest.approx(0.1 / 0.4)
    assert gain_of(scores(1.0, 0.5, 0.6), 10) == pytest.approx(-0.2)
    assert gain_of(scores(1.0, 1.2, 1.1), 10) == float("inf")  # nothing had been gained: it may yet be
    assert gain_of(scores(1.0), 0) == float("inf")


def test_a_run_settles_with_the_first_stage_that_adds_little() -> None:
    """The rule of cycles: not at the end of the first stage, not between stages."""
    ends = [10, 20, 30]
    assert not is_settled(scores(1.0, 0.5), ends, 0.1)
    assert not is_settled(scores(1.0, 0.5, 0.4), ends, 0.1)
    assert is_settled(scores(1.0, 0.5, 0.46), ends, 0.1)
    assert is_settled(scores(1.0, 0.5, 0.6), ends, 0.1)
    assert not is_settled(scores(1.0, 0.5, 0.46), [10, 30], 0.1)
    assert not is_settled([], ends, 0.1)


@given(st.lists(st.floats(0, 1e6), min_size=1, max_size=20), st.floats(0, 1))
def test_any_scores_give_a_best_and_verdicts(values: list[float], least: float) -> None:
    measured = scores(*values)
    assert best_of(measured).score == min(values)
    is_settled(measured, [one.step for one in measured], least)
    judge(measured, values, {"clip_l": 1.0}, None, True, least)


def test_verdicts() -> None:
    assert kinds(1.0, 0.5, 0.45, 0.449) == ["settled"]
    assert kinds(1.0, 0.5, 0.3) == ["still learning"]
    assert kinds(1.0, 0.999, 1.1) == ["nothing learned"]
    assert kinds(1.0, 0.5, 0.7, held_out=True) == ["memorising"]
    assert kinds(1.0, 0.5, 0.7, held_out=True, losses=(1.0, 2.0)) == ["settled"]  # training did not get better either
    assert kinds(1.0, 0.5, 0.7) == ["settled"]  # of the training pictures themselves: worse, but not memorised
    assert kinds(1.0, 0.5, 0.45, 0.449, length=3.0) == ["drowning", "settled"]
    assert kinds(1.0, 0.5, 0.45, 0.449, kept=0.3) == ["drowning", "settled"]
    assert kinds(1.0, 0.5, 0.45, 0.449, kept=0.9) == ["settled"]
    assert kinds(1.0) == []


def test_memorising_names_the_copy_to_take() -> None:
    verdict = judge(scores(1.0, 0.5, 0.7), [2.0, 1.0], {}, None, True)[0]
    assert "step 10" in verdict.hint
