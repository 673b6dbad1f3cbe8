"""The order of samples: every picture as often as asked, and the same after a resume as without one."""

import random
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lib_ti.config.train import DataPart
from lib_ti.dataset.bucket import squash
from lib_ti.dataset.dataset import Dataset, Picture, Source, sample_order, sample_prompt
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


def dataset(data: DataPart = DataPart(), caption: str = "red, blue, green") -> Dataset:  # noqa: B008 - frozen
    pictures = tuple(Picture(Path(str(i)), str(i), caption, 1, squash((8, 8), (8, 8)), False) for i in range(3))
    template = Template("t", ("a [name], [filewords]", "b [name]", "c [filewords] [name]"))
    return Dataset(pictures, (Source(template, data),), (), "")


def test_a_picture_meets_every_line_of_the_template() -> None:
    """Not one line for the whole run."""
    data, picture_of = DataPart(), sample_order([1, 1, 1], 1)
    prompts = {sample_prompt(dataset(data), "foo", 1, n) for n in range(60) if picture_of(n) == 0}
    assert prompts == {"a foo, red, blue, green", "b foo", "c red, blue, green foo"}


@pytest.mark.parametrize(
    "data",
    [DataPart(), DataPart(shuffle_tags=True), DataPart(tag_dropout=0.5), DataPart(shuffle_tags=True, keep_tags=1)],
)
def test_a_prompt_depends_on_seed_and_sample_alone(data: DataPart) -> None:
    forwards = [sample_prompt(dataset(data), "foo", 3, n) for n in range(30)]
    random.seed(1)  # the program's own chance plays no part
    backwards = [sample_prompt(dataset(data), "foo", 3, n) for n in reversed(range(30))]
    assert forwards == backwards[::-1]
    assert all("foo" in prompt for prompt in forwards)
    assert forwards != [sample_prompt(dataset(data), "foo", 4, n) for n in range(30)]


def test_tags_vary_from_sample_to_sample_but_the_kept_one_stays_first() -> None:
    data = DataPart(shuffle_tags=True, keep_tags=1)
    prompts = {sample_prompt(dataset(data), "foo", 1, n) for n in range(60)}
    assert {"a foo, red, blue, green", "a foo, red, green, blue"} <= prompts
    assert not any("blue, red" in prompt or "green, red" in prompt for prompt in prompts)


def test_wildcards_are_drawn_anew_for_each_sample_and_the_same_after_a_resume() -> None:
    data = DataPart(wildcards=True)
    seen = dataset(data, "{red|{dark|light} blue} boat")
    prompts = [sample_prompt(seen, "foo", 1, n) for n in range(80)]
    assert {"a foo, red boat", "a foo, dark blue boat", "a foo, light blue boat", "b foo"} <= set(prompts)
    assert not any("{" in prompt or "|" in prompt for prompt in prompts)
    assert [sample_prompt(seen, "foo", 1, n) for n in reversed(range(80))] == prompts[::-1]
    assert sample_prompt(dataset(DataPart(), "{a|b}"), "foo", 1, 0).count("{a|b}") <= 1  # and else they are text


def test_wildcards_leave_lines_and_tags_as_they_are_drawn_without() -> None:
    """A run that was begun without them goes on as it was."""
    plain, wild = (DataPart(shuffle_tags=True, tag_dropout=0.3, wildcards=on) for on in (False, True))
    assert [sample_prompt(dataset(plain), "foo", 5, n) for n in range(30)] == [
        sample_prompt(dataset(wild), "foo", 5, n) for n in range(30)
    ]


def test_prefix_and_suffix_stand_around_the_tags_whatever_becomes_of_these() -> None:
    data = DataPart(shuffle_tags=True, caption_prefix="photo,", caption_suffix=", by <embedding>")
    prompts = {sample_prompt(dataset(data), "foo", 1, n) for n in range(60)} - {"b foo"}
    assert len(prompts) > 5
    assert all("photo, " in prompt and " , by foo" in prompt for prompt in prompts)
    assert all(prompt.startswith(("a foo, photo, ", "c photo, ")) for prompt in prompts)
    nothing_left = dataset(DataPart(tag_dropout=1.0, caption_prefix="photo"))
    assert "c photo foo" in {sample_prompt(nothing_left, "foo", 1, n) for n in range(30)}
