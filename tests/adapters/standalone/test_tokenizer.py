"""A wrong id means another word: embeddings made here would mean something else elsewhere."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lib_ti.adapters.standalone.tokenizer import END, START, token_text, tokenize
from lib_ti.errors import HostError


@pytest.mark.parametrize(
    ("text", "ids"),
    [
        ("cat", [2368]),
        ("Cat  DOG\n", [2368, 1929]),
        ("one two three", [637, 1237, 2097]),
        ("", []),
        (" ", []),
        (", !", [267, 256]),
        ("it's 123", [585, 568, 272, 273, 274]),
        ("it’s “x”", [585, 568, 257, 343, 257]),
        ("don't", [847, 713]),
        ("greg rutkowski", [7943, 14973, 17649]),
        ("é", [4166]),
        ("e\u0301", [4166]),
        ("日本 🦄", [39121, 19277, 361, 37659]),
        ("<|startoftext|><|endoftext|>", [START, END]),
        ("a\u00a0b", [320, 321]),
    ],
)
def test_known_ids(text: str, ids: list[int]) -> None:
    assert tokenize(text) == ids


@pytest.mark.parametrize(
    ("token_id", "text"), [(2368, "cat</w>"), (0, "!"), (256, "!</w>"), (END, "<|endoftext|>"), (4166, "é</w>"), (188, "\\x00")]
)  # fmt: skip
def test_token_texts_are_readable(token_id: int, text: str) -> None:
    assert token_text(token_id) == text


def test_an_id_that_is_none_is_named() -> None:
    with pytest.raises(HostError, match="49408"):
        token_text(49408)


@given(st.text())
def test_any_text_can_be_read(text: str) -> None:
    assert all(0 <= i <= END for i in tokenize(text))


@given(st.lists(st.sampled_from(["cat", "dog", "one", ",", "'s", "12", "(a]", "é", "x-y"])))
def test_blanks_between_words_do_not_count(words: list[str]) -> None:
    assert tokenize("  \n".join(words)) == [i for word in words for i in tokenize(word)]
