"""Users of kohya's scripts and of dynamic prompts would lose their wildcards, or not know which brace is wrong."""

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lib_ti.dataset.wildcards import expand, has_wildcards, longest
from lib_ti.errors import InvalidText


@pytest.mark.parametrize(
    ("text", "first", "last"),
    [
        ("a boat", "a boat", "a boat"),
        ("a {red|blue} boat", "a red boat", "a blue boat"),
        ("{a|b}{c|d}", "ac", "bd"),
        ("{a|{b|c} d} e", "a e", "c d e"),
        ("a {|very} red boat", "a red boat", "a very red boat"),
        ("{alone}", "alone", "alone"),
        ("a|b", "a|b", "a|b"),
        (r"\{a\|b\} {c\|d|e}", "{a|b} c|d", "{a|b} e"),
        ("{}", "", ""),
    ],
)
def test_each_pair_of_braces_becomes_one_of_its_options(text: str, first: str, last: str) -> None:
    assert expand(text, lambda options: options[0]) == first
    assert expand(text, lambda options: options[-1]) == last


def test_the_longest_options_make_the_longest_text() -> None:
    assert expand("{a|bb|c} {d|{ee|f} g}", longest) == "bb ee g"


@pytest.mark.parametrize(
    ("text", "message", "caret"),
    [("a {b|c", "never closed", 2), ("a}", "closes nothing", 1), ("{a|{b}", "never closed", 0), (r"\{a}", "closes", 3)],
)
def test_a_brace_without_its_partner_is_pointed_at(text: str, message: str, caret: int) -> None:
    with pytest.raises(InvalidText, match=message) as caught:
        expand(text, longest)
    assert (caught.value.start, caught.value.end) == (caret, caret + 1)
    assert "  " + " " * caret + "^" in str(caught.value).splitlines()


@given(st.text("ab{|}\\ ", max_size=40))
def test_any_text_is_read_or_refused(text: str) -> None:
    with suppress(InvalidText):
        assert len(expand(text, longest)) <= len(text)


def test_very_deep_and_very_long_texts_are_read() -> None:
    assert expand("{" * 50_000 + "a" + "}" * 50_000, longest) == "a"


def test_what_may_be_meant_as_wildcards_is_known() -> None:
    assert has_wildcards("a {b|c}")
    assert not any(map(has_wildcards, ("a {b}", "a|b", "{a", r"\{a|b}")))
