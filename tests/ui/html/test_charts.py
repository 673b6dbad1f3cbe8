"""A chart that lies about its axes misleads every decision a user takes from it."""

import math
import re
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lib_ti.config.schedule import parse_schedule
from lib_ti.events import Measured, StepDone
from lib_ti.jobs.history import History
from lib_ti.ui.html import charts


def history_of(count: int, rate: float = 0.005, loss: float = 0.1) -> History:
    history = History()
    for number in range(1, count + 1):
        history = history.add(StepDone(number, count, 0, 0, loss + number / 1000, rate, {"clip_l": 0.4}, 1, 0.1))
    return history


@given(st.floats(-1e6, 1e6), st.floats(1e-6, 1e6), st.integers(2, 8))
def test_ticks_are_few_round_and_within_the_axis(low: float, span: float, most: int):
    found = charts.ticks(low, low + span, most)
    assert len(found) <= most + 1
    assert all(low - span * 1e-6 <= tick <= low + span * (1 + 1e-6) for tick in found)
    if len(found) > 1:
        step = found[1] - found[0]
        mantissa = step / 10 ** math.floor(math.log10(step) + 1e-9)
        exact = 1e-3 + 4 * math.ulp(abs(low) + span) / step  # far from 0 a small step is only known so well
        assert min(abs(mantissa - nice) for nice in (1, 2, 5, 10)) < exact


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (0, "0"),
        (0.1 + 0.2, "0.3"),
        (0.005, "0.005"),
        (5e-6, "5e-6"),
        (12000, "12,000"),
        (2.5e7, "2.5e7"),
        (-0.5, "-0.5"),
    ],
)
def test_numbers_are_written_as_people_do(value: float, shown: str):
    assert charts.number(value) == shown


def test_the_loss_chart_draws_every_step_of_a_short_run_and_shows_it_under_the_pointer():
    html = charts.loss_chart(history_of(30))
    assert html.count("h0") == 30
    assert "step 30: loss 0.1300" in html
    assert not re.search(r"nan|inf", html)


FINITE = st.floats(0, 1e30)


@given(st.lists(st.tuples(FINITE, FINITE, FINITE), min_size=1, max_size=30), st.integers(0, 10**6))
def test_no_run_whatever_its_figures_breaks_the_page(figures: list[tuple[float, float, float]], first: int):
    history = History()
    for step, (loss, rate, norm) in enumerate(figures, first):
        history = history.add(StepDone(step, 10**7, 0, 0, loss, rate, {"clip_l": norm}, 1, 0.1))
    for chart in (charts.loss_chart, charts.rate_chart, charts.norms_chart):
        assert not re.search(r"\bnan|\binf", chart(history))


def test_one_step_is_enough_for_all_charts():
    history = history_of(1)
    for chart in (charts.loss_chart, charts.rate_chart, charts.norms_chart):
        assert "<svg" in chart(history)


def test_one_wild_step_does_not_flatten_the_rest():
    history = history_of(50).add(StepDone(51, 51, 0, 0, 1000.0, 0.005, {"clip_l": 0.4}, 1, 0.1))
    last = re.findall(r'class="ti_lab_y" style="top:([-\d.]+)%">([\d,.]+)<', charts.loss_chart(history))
    assert max(float(words.replace(",", "")) for _, words in last) < 1000


def test_a_long_run_stays_a_small_page_with_its_extremes_as_a_band():
    html = charts.loss_chart(history_of(100_000))
    assert len(html) < 200_000
    assert "ti_lab_line band" in html


def test_stages_of_a_schedule_are_stairs_not_slopes():
    html = charts.schedule_chart(parse_schedule("0.005:20, 0.001"), 60)
    path = re.search(r'ti_lab_line main" d="M([^"]+)"', html)
    assert path is not None
    points = [tuple(map(float, point.split())) for point in path[1].split("L")]
    assert [x for x, _ in points] == pytest.approx([0, 333.3, 333.3, 1000])
    assert points[0][1] == points[1][1] < points[2][1] == points[3][1]
    assert "2 stages" in html


def test_two_encoders_have_a_line_each_named_in_its_colour():
    history = History().add(StepDone(1, 9, 0, 0, 0.1, 0.1, {"clip_l": 0.4, "clip_g": 0.5}, 1, 0.1))
    html = charts.norms_chart(history)
    assert '<span class="main">clip_l 0.4</span>' in html
    assert '<span class="second">clip_g 0.5</span>' in html


def test_several_embeddings_have_a_line_each_and_those_beyond_the_colours_their_length():
    norms = {f"{name} clip_l": 0.1 * n for n, name in enumerate("abcde", 1)}
    html = charts.norms_chart(History().add(StepDone(1, 9, 0, 0, 0.1, 0.1, norms, 1, 0.1)))
    for name, kind in zip("abcd", ("main", "second", "third", "fourth"), strict=True):
        assert f'<span class="{kind}">{name} clip_l' in html
        assert f'ti_lab_line {kind}"' in html
    assert "e clip_l 0.5" in html


def test_what_is_measured_on_fixed_samples_is_a_line_of_its_own():
    """The one that can be read: those of the updates are mostly noise."""
    measured = [Measured(step, 0.4 - step / 100, 0.3, 20, False, 12.0) for step in (0, 10, 20, 30)]
    html = charts.loss_chart(history_of(30), measured)
    assert "0.1000 on fixed samples, best at step 20" in html
    drawn = re.search(r'class="ti_lab_line second" d="([^"]+)"', html)
    assert drawn
    assert drawn[1].count("L") == 3
    assert drawn[1].startswith("M0.0 ")  # from step 0, where it begins
    held_out = [replace(one, held_out=True) for one in measured]
    assert "on held-out pictures" in charts.loss_chart(history_of(30), held_out)
