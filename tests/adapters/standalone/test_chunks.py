"""What CLIP is given: a token in the wrong chunk, or an embedding cut in two, changes the picture; and prompts that users know
from their WebUI must weigh the same here."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lib_ti.adapters.standalone.chunks import CHUNK, EMPTY, Names, Piece, count_rows, parse_emphasis, parse_prompt
from lib_ti.adapters.standalone.tokenizer import END, START, tokenize

NONE = Names({})
CAT = 2368


def words(count: int) -> str:
    return " ".join(["cat"] * count)


def test_a_short_prompt_is_one_chunk() -> None:
    (chunk,) = parse_prompt("a (cat:1.5)", NONE)
    assert chunk.tokens == (START, 320, CAT, *[END] * 74)
    assert chunk.weights == (1.0, 1.0, 1.5, *[1.0] * 74)
    assert chunk.end == 3


def test_an_empty_prompt_is_an_empty_chunk() -> None:
    assert parse_prompt("", NONE) == [EMPTY]
    assert EMPTY.tokens == (START, *[END] * 76)


@pytest.mark.parametrize(("count", "chunks"), [(74, 1), (75, 1), (76, 2), (150, 2), (151, 3)])
def test_long_prompts_take_as_many_chunks_as_they_need(count: int, chunks: int) -> None:
    parsed = parse_prompt(words(count), NONE)
    assert len(parsed) == chunks
    assert sum(chunk.tokens.count(CAT) for chunk in parsed) == count
    assert all(len(chunk.tokens) == len(chunk.weights) == 77 for chunk in parsed)


def test_a_full_chunk_ends_at_a_near_comma() -> None:
    first, second = parse_prompt(words(60) + ", " + words(20), NONE)
    assert first.tokens[1:62] == (*[CAT] * 60, 267)
    assert first.tokens[62] == END
    assert second.tokens.count(CAT) == 20


def test_a_far_comma_does_not_empty_a_chunk() -> None:
    first, second = parse_prompt(words(50) + ", " + words(30), NONE)
    assert first.tokens.count(CAT) == 74
    assert second.tokens.count(CAT) == 6


def test_break_fills_up_the_chunk() -> None:
    first, second = parse_prompt("cat BREAK dog", NONE)
    assert first.tokens[:3] == (START, CAT, END)
    assert second.tokens[:3] == (START, 1929, END)


def test_embeddings_are_found_by_their_name() -> None:
    names = Names({"zork": 2, "zork-old": 3, "Eve": 1})
    (chunk,) = parse_prompt("a ZORK, zork-old EVE", names)
    found = [(entry.name, entry.position, entry.rows) for entry in chunk.insertions]
    assert found == [("zork", 2, 2), ("zork-old", 5, 3), ("Eve", 8, 1)]
    assert chunk.end == 9


def test_the_longest_name_wins() -> None:
    (chunk,) = parse_prompt("one two", Names({"one": 1, "one two": 4}))
    assert [entry.name for entry in chunk.insertions] == ["one two"]


def test_weights_reach_the_rows_of_an_embedding() -> None:
    (chunk,) = parse_prompt("a (zork:1.4)", Names({"zork": 3}))
    assert chunk.weights[1:6] == (1.0, 1.4, 1.4, 1.4, 1.0)


@pytest.mark.parametrize(("before", "rows", "first"), [(70, 5, True), (71, 5, False), (75, 1, False), (1, 75, False)])
def test_an_embedding_is_never_split(before: int, rows: int, first: bool) -> None:
    chunks = parse_prompt(words(before) + " zork", Names({"zork": rows}))
    assert len(chunks) == (1 if first else 2)
    (entry,) = chunks[-1].insertions
    assert (entry.position, entry.rows) == (before + 1 if first else 1, rows)


def test_an_embedding_moves_with_the_words_after_a_comma() -> None:
    first, second = parse_prompt(words(60) + ", zork " + words(20), Names({"zork": 4}))
    assert not first.insertions
    assert [(entry.position, entry.rows) for entry in second.insertions] == [(1, 4)]


def test_more_than_75_rows_are_cropped() -> None:
    assert count_rows("zork", Names({"zork": 80}), "zork") == CHUNK


def test_rows_are_counted_in_every_chunk() -> None:
    names = Names({"zork": 2, "other": 5})
    assert count_rows("zork " + words(80) + " ZORK other", names, "zork") == 4


@given(st.integers(0, 200), st.integers(1, 75), st.integers(0, 200))
def test_no_token_and_no_row_is_lost(before: int, rows: int, after: int) -> None:
    prompt = f"{words(before)} zork {words(after)}"
    chunks = parse_prompt(prompt, Names({"zork": rows}))
    assert sum(chunk.tokens.count(CAT) for chunk in chunks) == before + after
    assert [entry.rows for chunk in chunks for entry in chunk.insertions] == [rows]
    for chunk in chunks:
        for entry in chunk.insertions:
            assert entry.position + entry.rows <= CHUNK + 1


@given(st.text(alphabet="ab ,()[]:1z", max_size=60))
def test_without_embeddings_the_tokens_are_those_of_the_pieces(prompt: str) -> None:
    flat = [t for chunk in parse_prompt(prompt, NONE) for t in chunk.tokens if t not in (START, END)]
    if not set(prompt) & set("()[]"):
        assert flat == tokenize(prompt)


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


def test_brackets_inside_a_hundred_others_are_text() -> None:
    first, last = parse_emphasis("(" * 102 + "a" + ")" * 100 + "b")
    assert (first.text, last) == ("((a", Piece("b"))
    assert first.weight == pytest.approx(1.1**100)
