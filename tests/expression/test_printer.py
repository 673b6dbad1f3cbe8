"""A user would lose: expressions printed by us (decomposed embeddings, recipes) that no longer mean the same."""

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lib_ti.adapters.standalone.tokenizer import token_text, tokenize
from lib_ti.expression.evaluate import Dictionary, Piece, evaluate
from lib_ti.expression.parser import parse_expression
from lib_ti.expression.printer import print_expression, print_tokens


@pytest.mark.parametrize(
    ("typed", "canonical"),
    [
        ("'a'+'b'=*2+'c'", "('a' + 'b')*2 + 'c'"),
        (" - 'a' --'b'", "-'a' + 'b'"),
        ("('a')-('b'-'c')", "'a' - ('b' - 'c')"),
        ("'it''s' / 3 L @ G : + 2 , 00, 49407,49406", "'it''s'/3L@G:+2,00,000,0000"),
        ("'a'*1.0*1e-7*1e22*.5", "'a'*1*1e-07*1e+22*0.5"),
        ("'a':007:-0", "'a':7:+0"),
    ],
)
def test_one_canonical_spelling(typed: str, canonical: str) -> None:
    assert print_expression(parse_expression(typed).root) == canonical
    assert parse_expression(canonical) == parse_expression(typed)


class _Pieces:
    """The algebra that lists what an expression of texts and ids alone is made of."""

    encoders = None

    def rows(self, value: list[Piece]) -> int:
        return len(value)

    def pieces(self, pieces: Sequence[Piece]) -> list[Piece]:
        return list(pieces)

    def join(self, first: list[Piece], second: list[Piece]) -> list[Piece]:
        return first + second


@given(
    st.lists(st.integers(0, 49407) | st.sampled_from(tokenize("cat 's it ' , ''")), min_size=1, max_size=6),
    st.lists(st.sampled_from(["cat", "dog", "cat dog", "'", "star"]), max_size=3),
)
def test_tokens_are_printed_as_an_expression_of_just_these_rows(tokens: list[int], names: list[str]) -> None:
    """Pieces of words, quotes, control tokens, and words that are the names of embeddings too."""
    dictionary = Dictionary(tokenize, names)
    printed = print_tokens(tokens, token_text, dictionary)
    assert evaluate(parse_expression(printed), _Pieces(), dictionary) == tokens  # type: ignore[arg-type]


def test_tokens_that_are_words_are_printed_as_words() -> None:
    tokens = [*tokenize("striped purple"), 1, *tokenize("star")]
    assert print_tokens(tokens, token_text, Dictionary(tokenize)) == "'striped','purple',1,'star'"
    assert print_tokens([1], token_text, Dictionary(tokenize)) == "'',1"
