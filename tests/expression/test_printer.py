"""A user would lose: expressions printed by us (decomposed embeddings, recipes) that no longer mean the same."""

import pytest

from lib_ti.expression.parser import parse_expression
from lib_ti.expression.printer import print_expression


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
