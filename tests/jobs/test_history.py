"""The loss curve of a long run must stay true, and cheap enough to fold a hundred thousand times."""

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lib_ti.events import StepDone
from lib_ti.jobs.history import MOST_POINTS, History, smooth


def step(number: int, loss: float = 0.5, rate: float = 0.005) -> StepDone:
    return StepDone(number, 10**6, 0, 0, loss, rate, {"clip_l": float(number)}, 1, 0.1)


def history_of(losses: list[float]) -> History:
    history = History()
    for number, loss in enumerate(losses, 1):
        history = history.add(step(number, loss))
    return history


def test_a_short_run_keeps_every_step_as_it_was():
    history = history_of([0.3, 0.2, 0.1])
    assert [(point.step, point.loss) for point in history.points] == [(1, 0.3), (2, 0.2), (3, 0.1)]


def test_a_hundred_thousand_steps_stay_cheap_bounded_and_true():
    losses = [1 / (1 + number / 1000) for number in range(100_000)]
    losses[77_777] = 9.0  # one spike must still be seen
    begin = time.perf_counter()
    history = history_of(losses)
    assert time.perf_counter() - begin < 10
    assert len(history.points) <= MOST_POINTS
    assert sum(point.steps for point in history.points) == 100_000
    assert history.points[-1].step == 100_000
    assert max(point.high for point in history.points) == 9.0
    mean = sum(point.loss * point.steps for point in history.points) / 100_000
    assert mean == pytest.approx(sum(losses) / 100_000)
    assert history.points[-1].norms == {"clip_l": 100_000.0}


def test_merged_points_cover_equal_stretches():
    history = history_of([0.1] * (2 * MOST_POINTS + 5))
    assert {point.steps for point in history.points[:-1]} == {history.stride}
    steps = [point.step for point in history.points]
    assert steps == sorted(set(steps))


@given(st.lists(st.floats(0, 100), min_size=1, max_size=200))
def test_the_smoothed_curve_stays_within_what_was_measured(losses: list[float]):
    smoothed = smooth(losses)
    assert len(smoothed) == len(losses)
    assert all(min(losses) - 1e-9 <= value <= max(losses) + 1e-9 for value in smoothed)


def test_the_smoothed_curve_does_not_lag_behind_a_falling_loss():
    falling = [1 - number / 100 for number in range(100)]
    assert smooth(falling)[50] == pytest.approx(falling[50], rel=1e-3)


def test_smoothing_of_nothing_is_nothing_and_of_a_constant_the_constant():
    assert smooth([]) == []
    assert smooth([0.25] * 50) == pytest.approx([0.25] * 50)
