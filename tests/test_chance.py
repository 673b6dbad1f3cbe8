"""Counter-based chance: a run resumed on another machine or Python must draw the same."""

from lib_ti.chance import chance, shuffled


def test_the_draws_are_those_of_every_version() -> None:
    """Golden values: a change here breaks the resuming of every unfinished run."""
    assert chance(1, "order", 2).getrandbits(64) == 4915424576637756642
    assert shuffled(range(10), chance(3)) == [4, 6, 7, 3, 2, 9, 1, 0, 5, 8]


def test_counters_of_other_type_or_place_give_other_draws() -> None:
    seeds = [(1,), ("1",), (1, 1), (11,), ("a", "b"), ("ab",), ("a,b",), (), (-1,), (2**80,), ("é",)]
    assert len({chance(*counters).getrandbits(64) for counters in seeds}) == len(seeds)


def test_shuffled_leaves_its_input_alone() -> None:
    items = [1, 2, 3, 4]
    assert sorted(shuffled(items, chance(1))) == items == [1, 2, 3, 4]
