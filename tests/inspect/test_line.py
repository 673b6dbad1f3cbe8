"""A user would lose: which words, tokens and embeddings the figures of a text belong to."""

import pytest

from lib_ti.config.embeddings import Grouping
from lib_ti.inspect.line import Line, text_lines

TEXTS = {1: "a</w>", 2: "photo</w>", 267: ",</w>", 4: "rut", 5: "kowski</w>"}
PIECES = [1, 2, 267, 4, 5, "my-cat", 1, 267, 267, 2]


def lines(by: Grouping) -> list[tuple[str, int, int, tuple[int, ...]]]:
    found = text_lines(PIECES, {"my-cat": 3}, TEXTS.__getitem__, by)
    return [(line.text, line.first, line.vectors, line.tokens) for line in found]


def test_a_whole_text_is_one_line() -> None:
    assert lines("none") == [("a photo , rutkowski my-cat a , , photo", 0, 12, (1, 2, 267, 4, 5, 1, 267, 267, 2))]


def test_by_comma_the_commas_are_left_out() -> None:
    assert lines("comma") == [
        ("a photo", 0, 2, (1, 2)),
        ("rutkowski my-cat a", 3, 6, (4, 5, 1)),
        ("photo", 11, 1, (2,)),
    ]


def test_by_parts_embeddings_stand_alone() -> None:
    assert [line[:3] for line in lines("parts")] == [
        ("a photo , rutkowski", 0, 5),
        ("my-cat", 5, 3),
        ("a , , photo", 8, 4),
    ]


def test_by_words_pieces_of_one_word_stay_together() -> None:
    assert [line[0] for line in lines("words")] == ["a", "photo", ",", "rutkowski", "my-cat", "a", ",", ",", "photo"]


def test_by_tokens_each_token_and_each_embedding_is_a_line() -> None:
    assert [line[0] for line in lines("tokens")] == [
        "a", "photo", ",", "rut", "kowski", "my-cat", "a", ",", ",", "photo",
    ]  # fmt: skip


def test_by_vectors_an_embedding_has_a_line_for_each_row() -> None:
    found = lines("vectors")
    assert len(found) == 12
    assert [line[1] for line in found] == list(range(12))
    assert [line[0] for line in found[5:8]] == ["my-cat"] * 3


@pytest.mark.parametrize("by", ["none", "comma", "parts", "words", "tokens", "vectors"])
def test_two_embeddings_beside_each_other_are_never_one_part(by: Grouping) -> None:
    found = text_lines(["x", "y"], {"x": 1, "y": 2}, TEXTS.__getitem__, by)
    assert sum(line.vectors for line in found) == 3
    if by in ("parts", "words", "tokens"):
        assert found == [Line(0, 1, "x"), Line(1, 2, "y")]


def test_a_text_of_commas_has_no_line_between_them() -> None:
    assert text_lines([267, 267], {}, TEXTS.__getitem__, "comma") == []
