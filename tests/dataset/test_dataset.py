"""The order of samples: every picture as often as asked, and the same after a resume as without one."""

import random
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lib_ti.config.train import DataPart
from lib_ti.dataset.bucket import squash
from lib_ti.dataset.dataset import Dataset, Picture, sample_order, sample_prompt
from lib_ti.dataset.template import Template

repeats_lists = st.lists(st.integers(1, 4), min_size=1, max_size=6)


@given(repeats_lists, st.integers(), st.integers(0, 50))
def test_an_epoch_holds_each_picture_exactly_as_often_as_it_repeats(repeats: list[int], seed: int, epoch: int) -> None:
    picture_of, total = sample_order(repeats, seed), sum(repeats)
    drawn = Counter(picture_of(n) for n in range(epoch * total, (epoch + 1) * total))
    assert drawn == dict(enumerate(repeats))


@given(repeats_lists, st.integers(), st.randoms(use_true_random=False))
def test_any_sample_can_be_asked_for_at_any_time(repeats: list[int], seed: int, chooser: random.Random) -> None:
    numbers = range(4 * sum(repeats))
    in_order = {n: sample_order(repeats, seed)(n) for n in numbers}
    picture_of = sample_order(repeats, seed)
    assert {n: picture_of(n) for n in chooser.sample(numbers, len(numbers))} == in_order


def test_epochs_and_seeds_differ() -> None:
    first, other = sample_order([1] * 20, 1), sample_order([1] * 20, 2)
    assert [first(n) for n in range(20)] != [first(n) for n in range(20, 40)]
    assert [first(n) for n in range(20)] != [other(n) for n in range(20)]


def test_the_order_is_that_of_every_version() -> None:
    """Golden values: a change here breaks the resuming of every unfinished run."""
    picture_of = sample_order([1, 2, 3], 7)
    assert [picture_of(n) for n in range(12)] == [2, 1, 0, 2, 1, 2, 1, 2, 2, 2, 1, 0]


def dataset() -> Dataset:
    pictures = tuple(
        Picture(Path(str(i)), str(i), "red, blue, green", 1, squash((8, 8), (8, 8)), False) for i in range(3)
    )
    return Dataset(pictures, Template("t", ("a [name], [filewords]", "b [name]", "c [filewords] [name]")), (), "")


def test_a_picture_meets_every_line_of_the_template() -> None:
    """Not one line for the whole run."""
    data, picture_of = DataPart(), sample_order([1, 1, 1], 1)
    prompts = {sample_prompt(dataset(), "foo", data, 1, n) for n in range(60) if picture_of(n) == 0}
    assert prompts == {"a foo, red, blue, green", "b foo", "c red, blue, green foo"}


@pytest.mark.parametrize(
    "data",
    [DataPart(), DataPart(shuffle_tags=True), DataPart(tag_dropout=0.5), DataPart(shuffle_tags=True, keep_tags=1)],
)
def test_a_prompt_depends_on_seed_and_sample_alone(data: DataPart) -> None:
    forwards = [sample_prompt(dataset(), "foo", data, 3, n) for n in range(30)]
    random.seed(1)  # the program's own chance plays no part
    backwards = [sample_prompt(dataset(), "foo", data, 3, n) for n in reversed(range(30))]
    assert forwards == backwards[::-1]
    assert all("foo" in prompt for prompt in forwards)
    assert forwards != [sample_prompt(dataset(), "foo", data, 4, n) for n in range(30)]


def test_tags_vary_from_sample_to_sample_but_the_kept_one_stays_first() -> None:
    data = DataPart(shuffle_tags=True, keep_tags=1)
    prompts = {sample_prompt(dataset(), "foo", data, 1, n) for n in range(60)}
    assert {"a foo, red, blue, green", "a foo, red, green, blue"} <= prompts
    assert not any("blue, red" in prompt or "green, red" in prompt for prompt in prompts)
