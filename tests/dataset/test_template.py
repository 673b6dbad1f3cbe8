"""Templates: a user's own win over ours, and one that would train prompts without the embedding is refused by line."""

from pathlib import Path

import pytest

from lib_ti.dataset.template import SHIPPED, Template, compose_prompt, find_template, load_template
from lib_ti.errors import InvalidDataset


def refusal(path: Path) -> str:
    with pytest.raises(InvalidDataset) as caught:
        load_template(path)
    (fault,) = caught.value.faults
    assert fault.where == "data.template"
    assert fault.hint
    return fault.message


@pytest.mark.parametrize("name", ["none", "subject", "style"])
def test_the_shipped_set_is_whole(name: str) -> None:
    plain, with_words = (load_template(find_template(name + end)) for end in ("", "_filewords"))
    assert all("[name]" in line and "[filewords]" not in line for line in plain.lines)
    assert all("[name]" in line and "[filewords]" in line for line in with_words.lines)
    assert len(set(plain.lines)) == len(plain.lines)


def test_nothing_else_is_shipped() -> None:
    assert len(list(SHIPPED.iterdir())) == 6


def test_a_name_may_carry_its_ending() -> None:
    assert find_template("subject.txt") == find_template("subject")


def test_a_users_own_template_wins_over_ours(tmp_path: Path) -> None:
    own = tmp_path / "subject.txt"
    own.write_text("my [name]")
    assert find_template("subject", [tmp_path / "not there", tmp_path]) == own


def test_a_path_may_lie_anywhere(tmp_path: Path) -> None:
    own = tmp_path / "odd place.txt"
    own.write_text("my [name]")
    assert find_template(f'"{own}"') == own
    assert load_template(own) == Template("odd place", ("my [name]",))


def test_a_misspelt_name_is_answered_with_near_ones() -> None:
    with pytest.raises(InvalidDataset, match="there is no template 'subjekt'") as caught:
        find_template("subjekt")
    assert "subject" in caught.value.faults[0].hint


def test_a_wild_name_is_answered_with_all_there_are() -> None:
    with pytest.raises(InvalidDataset) as caught:
        find_template("qqqqqqqq")
    assert "none" in caught.value.faults[0].hint
    assert "style_filewords" in caught.value.faults[0].hint


def test_no_name_is_told_so() -> None:
    with pytest.raises(InvalidDataset, match="a template is missing"):
        find_template(" ")


def test_blank_lines_byte_order_mark_and_windows_line_ends_do_not_matter(tmp_path: Path) -> None:
    path = tmp_path / "t.txt"
    path.write_bytes("\ufeffa [name]\r\n\r\n  ein schönes [name] \r\n".encode())
    assert load_template(path).lines == ("a [name]", "ein schönes [name]")


def test_lines_without_placeholder_are_named(tmp_path: Path) -> None:
    path = tmp_path / "t.txt"
    path.write_text("a [name]\n\na photo\n[filewords]\nanother\n")
    assert refusal(path) == "t.txt lines 3, 5 have no [name]"
    path.write_text("a photo")
    assert refusal(path) == "t.txt line 1 has no [name]"


@pytest.mark.parametrize(
    ("content", "message"), [(b" \n\n", "holds no prompt"), (b"", "holds no prompt"), (b"\xff\xfe[", "not UTF-8")]
)
def test_useless_files_are_refused(tmp_path: Path, content: bytes, message: str) -> None:
    path = tmp_path / "t.txt"
    path.write_bytes(content)
    assert message in refusal(path)


def test_a_file_that_is_gone_is_refused(tmp_path: Path) -> None:
    assert "cannot be read" in refusal(tmp_path / "gone.txt")


def test_filewords_are_put_in_before_the_name() -> None:
    """So that a caption may say where the placeholder goes."""
    assert compose_prompt("a photo, [filewords]", "foo", "[name] on a hill") == "a photo, foo on a hill"
    assert compose_prompt("[name], [filewords], [name]", "foo", "hill") == "foo, hill, foo"
