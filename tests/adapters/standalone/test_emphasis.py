"""Prompts that users know from their WebUI must weigh the same here."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lib_ti.adapters.standalone.emphasis import parse_emphasis


@pytest.mark.parametrize(
    ("prompt", "pieces"),
    [
        ("a cat", [("a cat", 1)]),
        ("", [("", 1)]),
        ("a (big) cat", [("a ", 1), ("big", 1.1), (" cat", 1)]),
        ("((big))", [("big", 1.21)]),
        ("[small]", [("small", 1 / 1.1)]),
        ("(big:1.5)", [("big", 1.5)]),
        ("(big: .5 )", [("big", 0.5)]),
        ("(neg:-1)", [("neg", -1)]),
        ("([a]:2)", [("a", 2 / 1.1)]),
        ("a (b (c:2) d:3)", [("a ", 1), ("b ", 3), ("c", 6), (" d", 3)]),
        ("(open", [("open", 1.1)]),
        ("[open", [("open", 1 / 1.1)]),
        ("close) it]", [("close) it]", 1)]),
        (r"\(a\) \[b\] \\", [(r"(a) [b] \\"[:-1], 1)]),
        ("a:1.5) b", [("a:1.5) b", 1)]),
        ("[a:1.5]", [("a:1.5", 1 / 1.1)]),
        ("(a:1.2.3)", [("a:1.2.3)", 1.1)]),
        ("(a)(b)", [("ab", 1.1)]),
        ("12:30", [("12:30", 1)]),
    ],
)
def test_pieces(prompt: str, pieces: list[tuple[str, float]]) -> None:
    parsed = parse_emphasis(prompt)
    assert [piece.text for piece in parsed] == [text for text, _ in pieces]
    assert [piece.weight for piece in parsed] == pytest.approx([weight for _, weight in pieces])
    assert not any(piece.breaks for piece in parsed)


def test_break_begins_a_new_chunk() -> None:
    parsed = parse_emphasis("a BREAK b BREAKS (c BREAK d)")
    assert [(piece.text, piece.breaks) for piece in parsed] == [
        ("a", False),
        ("b BREAKS ", True),
        ("c", False),
        ("d", True),
    ]
    assert [piece.weight for piece in parsed] == pytest.approx([1, 1, 1.1, 1.1])


@given(st.text(alphabet="ab ()[]:\\1.-"))
def test_brackets_never_fail(prompt: str) -> None:
    assert parse_emphasis(prompt)


@given(st.text().filter(lambda text: not set(text) & set("()[]\\") and "BREAK" not in text))
def test_text_without_brackets_is_left_alone(prompt: str) -> None:
    (piece,) = parse_emphasis(prompt)
    assert (piece.text, piece.weight) == (prompt, 1.0)
