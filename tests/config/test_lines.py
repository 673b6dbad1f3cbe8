"""Users with several folders would lose the settings of each, or not know which part of which line is wrong."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lib_ti.config.lines import FOLDERS, Line, parse_lines, write_lines
from lib_ti.config.options import build_config
from lib_ti.config.train import DataPart, TrainConfig
from lib_ti.errors import InvalidConfig, InvalidText

NEEDED = {"embedding.name": "cat", "data.folder": "in"}


def test_a_line_is_a_folder_and_the_settings_in_which_it_differs() -> None:
    assert parse_lines('C:\\my cats; repeats=3 ;data.template = style;\n\n /b ; join_words=", "', FOLDERS) == [
        Line("C:\\my cats", {"repeats": "3", "template": "style"}),
        Line("/b", {"join_words": ", "}),
    ]


@pytest.mark.parametrize(
    ("line", "message", "marked"),
    [
        ("; repeats=3", "The folder is missing", ""),
        ("a; repeats", "has no value", "repeats"),
        ("a; repeats=2;  repeats=3", "repeats stands here twice", "repeats=3"),
        ("a; folder=b", "folder cannot be set in a line", "folder=b"),
        ("a; class_folder=b", "class_folder cannot be set in a line", "class_folder=b"),
    ],
)
def test_what_is_wrong_is_pointed_at(line: str, message: str, marked: str) -> None:
    with pytest.raises(InvalidText, match=message) as caught:
        parse_lines(f"fine\n{line}", FOLDERS)
    assert caught.value.text == line
    assert line[caught.value.start : caught.value.end] == marked


@given(st.lists(st.tuples(st.text("ab /.", min_size=1), st.dictionaries(st.sampled_from("xy"), st.text("c= ")))))
def test_what_is_written_is_read_again(lines: list[tuple[str, dict[str, str]]]) -> None:
    wanted = [Line(folder.strip(), settings) for folder, settings in lines if folder.strip()]
    assert parse_lines(write_lines(wanted), FOLDERS) == wanted


def test_a_further_folder_has_the_settings_of_the_first_but_for_repeats_masks_and_its_own() -> None:
    data = DataPart("in", "a; flip=1\nb; repeats=2; caption_prefix=x", 5, "style", flip=0.5, mask_folder="masks")
    first, a, b = data.folders()
    assert (first.folder, first.more, first.repeats, first.flip, first.mask_folder) == ("in", "", 5, 0.5, "masks")
    assert (a.folder, a.template, a.repeats, a.flip, a.mask_folder) == ("a", "style", 1, 1.0, "")
    assert (b.folder, b.repeats, b.flip, b.caption_prefix) == ("b", 2, 0.5, "x")


def test_lines_may_come_as_a_list_and_their_faults_all_at_once() -> None:
    built = build_config(TrainConfig, {**NEEDED, "data.more": ["a", "b; repeats=2"]})
    assert built.data.more == "a\nb; repeats=2"
    with pytest.raises(InvalidConfig) as caught:
        build_config(TrainConfig, {**NEEDED, "data.more": "a; repeat=2; flip=7\nb; width=64"})
    assert {(fault.where, fault.message) for fault in caught.value.faults} == {
        ("data.more", "a: repeat: there is no such setting (did you mean repeats?)"),
        ("data.more", "a: flip: Random flip is 7.0, above the most of 1"),
    }
    with pytest.raises(InvalidConfig, match="b: give both width and height"):
        build_config(TrainConfig, {**NEEDED, "data.more": "b; width=64"})
    with pytest.raises(InvalidConfig, match="has no value"):
        build_config(TrainConfig, {**NEEDED, "data.more": "b; width"})
    with pytest.raises(InvalidConfig, match="is not a text"):
        build_config(TrainConfig, {**NEEDED, "data.more": [["b"]]})
