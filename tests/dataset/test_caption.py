"""Captions: what A1111's users have beside and in their file names keeps its meaning; tags vary as asked and no more."""

import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lib_ti.chance import chance
from lib_ti.dataset import caption
from lib_ti.dataset.caption import caption_from_name, find_caption, prove_word_regex, split_tags, vary_tags
from lib_ti.errors import InvalidDataset


@pytest.mark.parametrize(
    ("stem", "words"),
    [
        ("red boat", "red boat"),
        ("00003-0-red boat", "red boat"),
        ("12 red boat", "red boat"),
        ("--7-  boat", "boat"),
        ("boat-7", "boat-7"),
        ("01", ""),
        ("grüne Wiese 草", "grüne Wiese 草"),
        ("a.b", "a.b"),
    ],
)
def test_numbering_at_the_front_of_a_name_goes(stem: str, words: str) -> None:
    assert caption_from_name(stem) == words


@pytest.mark.parametrize(
    ("regex", "join", "words"),
    [
        (r"\w+", " ", "red boat sea"),
        (r"\w+", ", ", "red, boat, sea"),
        (r"(\w+)-", " ", "red"),
        (r"(?:b\w+)|(?:s\w+)", "+", "boat+sea"),
        ("nothing", " ", ""),
        ("", "!", "red-boat (sea)"),
    ],
)
def test_a_regex_picks_the_words_of_a_name(regex: str, join: str, words: str) -> None:
    assert caption_from_name("01-red-boat (sea)", regex, join) == words


@pytest.mark.parametrize("prove", [prove_word_regex, lambda regex, stems: [caption_from_name(s, regex) for s in stems]])
def test_a_regex_that_would_never_end_is_ended_and_told_by_its_field(
    monkeypatch: pytest.MonkeyPatch, prove: Callable[[str, list[str]], object]
) -> None:
    monkeypatch.setattr(caption, "REGEX_SECONDS", 0.2)
    begun = time.monotonic()
    with pytest.raises(InvalidDataset) as caught:
        prove("(a|aa)+$", ["b", "a" * 200 + "!"])
    assert time.monotonic() - begun < 20
    (fault,) = caught.value.faults
    assert fault.where == "data.word_regex"
    assert "'(a|aa)+$' takes more than" in fault.message


@pytest.mark.parametrize("pattern", ["(", "(" * 5_000, "[", "a{9999999999999999999}", "\\", "(?P<x>a)(?P<x", "*"])
def test_what_is_no_regex_is_told_by_its_field(pattern: str) -> None:
    with pytest.raises(InvalidDataset, match=r"data\.word_regex: .* is not a regular expression"):
        caption_from_name("red boat", pattern)


def test_a_missing_package_is_told_with_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "regex", None)
    assert caption_from_name("1-red boat") == "red boat"
    with pytest.raises(InvalidDataset, match="pip install regex"):
        caption_from_name("1-red boat", r"\w+")


def test_a_text_file_beside_the_picture_wins_and_no_regex_touches_it(tmp_path: Path) -> None:
    (tmp_path / "1-x.txt").write_text("12 red-boats", encoding="utf-8")
    assert find_caption(tmp_path / "1-x.png", r"\w", "", "sks boat") == "12 red-boats"


def test_class_words_win_over_the_name(tmp_path: Path) -> None:
    assert find_caption(tmp_path / "IMG_0012.jpg", class_words="sks boat") == "sks boat"


def test_a_name_with_dots_has_its_own_text_file(tmp_path: Path) -> None:
    (tmp_path / "v1.5 boat.txt").write_text("boat", encoding="utf-8")
    assert find_caption(tmp_path / "v1.5 boat.webp") == "boat"


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig"])
def test_text_files_may_hold_any_script_and_several_lines(tmp_path: Path, encoding: str) -> None:
    (tmp_path / "a.txt").write_bytes("赤い 船,\r\nживой 🐟\n\n".encode(encoding))
    assert find_caption(tmp_path / "a.png") == "赤い 船, живой 🐟"


def test_a_text_file_in_another_encoding_is_named(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_bytes("ein Böot".encode("latin-1"))
    with pytest.raises(InvalidDataset, match=r"a\.txt: is not UTF-8 text"):
        find_caption(tmp_path / "a.png")


def test_an_untouched_caption_keeps_its_punctuation() -> None:
    assert vary_tags("a,b ,, c.", chance(1)) == "a,b ,, c."


tags = st.lists(st.from_regex(r"[a-z]{1,3}", fullmatch=True), max_size=8)


@given(tags, st.integers(0, 10), st.integers())
def test_shuffling_loses_no_tag_and_keeps_the_first_ones_in_place(words: list[str], keep: int, seed: int) -> None:
    varied = split_tags(vary_tags(", ".join(words), chance(seed), shuffle=True, keep=keep))
    assert varied[:keep] == words[:keep]
    assert sorted(varied) == sorted(words)


@given(tags, st.integers(0, 10), st.integers())
def test_dropout_alone_keeps_the_order_and_the_first_ones(words: list[str], keep: int, seed: int) -> None:
    varied = split_tags(vary_tags(", ".join(words), chance(seed), dropout=0.5, keep=keep))
    assert varied[:keep] == words[:keep]
    rest = iter(words[keep:])
    assert all(tag in rest for tag in varied[keep:])  # a subsequence


def test_dropout_of_one_leaves_only_the_kept_tags() -> None:
    assert vary_tags("a, b, c", chance(1), dropout=1.0, keep=1) == "a"


def test_dropout_leaves_out_the_share_asked_for() -> None:
    rng = chance(5)
    left = sum(len(split_tags(vary_tags("a, b, c, d, e", rng, dropout=0.3))) for _ in range(2000))
    assert left / 10000 == pytest.approx(0.7, abs=0.02)


def test_shuffling_reaches_every_order_evenly() -> None:
    rng = chance(6)
    orders = [vary_tags("a, b, c", rng, shuffle=True) for _ in range(3000)]
    assert len(set(orders)) == 6
    assert all(400 < orders.count(order) < 600 for order in set(orders))
