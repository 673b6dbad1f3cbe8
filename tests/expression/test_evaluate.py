"""What texts mean, and row counts: a user would be told another size than the merge has."""

import inspect
import sys

import pytest

from lib_ti.adapters.standalone.tokenizer import tokenize
from lib_ti.errors import InvalidEmbedding, InvalidText
from lib_ti.expression import limits
from lib_ti.expression.advice import advise
from lib_ti.expression.evaluate import Dictionary, Rows, evaluate
from lib_ti.expression.parser import parse_expression
from lib_ti.expression.printer import print_expression

CAT, DOG = 2368, 1929


def read(text: str, *names: str) -> list[int | str | None]:
    return Dictionary(tokenize, names).read(text)


def test_words_are_tokens_whatever_their_case() -> None:
    assert read("  Cat  DOG ") == [CAT, DOG]
    assert read("") == read("  ") == []


def test_prompt_syntax_is_plain_text() -> None:
    assert [len(read(text)) for text in ("(a:1.5)", "a BREAK b", "<x>")] == [7, 3, 3]


def test_names_are_found_by_their_tokens() -> None:
    assert read("a My-Style dog", "my-style") == [320, "my-style", DOG]
    assert read("my -  style", "my-style") == ["my-style"]


def test_the_longest_name_wins() -> None:
    assert read("red cat, cat", "cat", "red cat") == ["red cat", 267, "cat"]


def test_names_need_no_word_boundary() -> None:
    assert read("style-5", "style-") == ["style-", *tokenize("5")]


def test_names_of_no_tokens_are_never_found() -> None:
    assert read("cat", "", " ") == [CAT]


def words(text: str) -> list[int]:
    return [sum(map(ord, word)) for word in text.split()]


EMBEDDINGS = {"mine": 3, "mine too": 8, "long one": 80}


def count(text: str, encoders: tuple[str, ...] | None = None) -> int:
    rows = Rows(EMBEDDINGS.__getitem__, encoders)
    return evaluate(parse_expression(text), rows, Dictionary(words, EMBEDDINGS))


@pytest.mark.parametrize(
    ("text", "rows"),
    [
        ("''", 0),
        ("' '", 0),
        ("'one two three'", 3),
        ("'one two' - 'cat'", 2),
        ("'one two three':2", 2),
        ("'one two three':5:+7", 5),
        ("'':0:+3", 0),
        ("'one',00,'two three'", 4),
        ("'one'+'two'=*1,'three'", 2),
        ("'my mine'", 4),
        ("'Mine too MINE'", 11),
        ("'long one'", 80),
        ("'long one':7", 7),
        ("'a'*2L@G", 1),
    ],
)
def test_rows_are_counted_without_a_model(text: str, rows: int) -> None:
    assert count(text) == rows


@pytest.mark.parametrize("text", ["'a':2000", "'long one'" + ",'long one'" * 20, "'" + "a " * 2000 + "'"])
def test_too_many_rows_are_refused_before_they_are_made(text: str) -> None:
    with pytest.raises(InvalidText, match=str(limits.ROWS)):
        count(text)


@pytest.mark.parametrize("encoders", [("clip_l",), ("clip_h",)])
@pytest.mark.parametrize(("text", "faulty"), [("'a'+'b'*2L", "*2L"), ("'a'@G", "@G")])
def test_encoders_are_named_on_sdxl_alone(text: str, faulty: str, encoders: tuple[str, ...]) -> None:
    assert count(text, ("clip_l", "clip_g")) == 1
    with pytest.raises(InvalidText, match=f"SDXL.*{encoders[0]} only") as caught:
        count(text, encoders)
    assert text[caught.value.start : caught.value.end] == faulty


def test_an_embedding_that_cannot_be_used_is_told_under_its_operand() -> None:
    def rows_of(name: str) -> int:
        raise InvalidEmbedding(f"{name} is for SDXL.", "Load an SDXL checkpoint.")

    with pytest.raises(InvalidText, match=r"mine is for SDXL(.|\n)*Load an SDXL") as caught:
        evaluate(parse_expression("'cat'+'my mine'"), Rows(rows_of), Dictionary(words, EMBEDDINGS))
    assert (caught.value.start, caught.value.end) == (6, 15)


@pytest.mark.parametrize("nest", ["('b'+{}*2)", "{}+'b'=*2", "({},'b')"])
def test_the_deepest_expression_leaves_room_for_the_calls_of_a_webui(nest: str) -> None:
    """Python lets a thread be 1000 calls deep, and a WebUI's own are some dozens."""
    text = "'a'"
    for _ in range(limits.NESTING):
        text = nest.format(text)
    before = sys.getrecursionlimit()
    sys.setrecursionlimit(len(inspect.stack(0)) + 650)
    try:
        expression = parse_expression(text)
        assert evaluate(expression, Rows(EMBEDDINGS.__getitem__), Dictionary(words, EMBEDDINGS))
        advise(expression, ["abcd"])
        print_expression(expression.root)
    finally:
        sys.setrecursionlimit(before)
