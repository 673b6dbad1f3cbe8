"""A user would lose: embeddings in quotes that mean the same as in a prompt."""

from lib_ti.adapters.standalone.tokenizer import tokenize
from lib_ti.expression.dictionary import Dictionary

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
