"""A user would lose: a word of warning before an expression does what it says and not what was meant."""

import pytest

from lib_ti.expression.advice import advise, advise_rows
from lib_ti.expression.parser import parse_expression


@pytest.mark.parametrize(
    ("text", "hint", "faulty"),
    [
        ("'cat'*1,5", "*1.5", "*1,5"),
        ("'dog'+('cat' / -2 , 25)", "/ -2.25", "/ -2 , 25"),
        ("'cat'*0,00", "*0.00", "*0,00"),
        ("'cat',0", "Write 00 for padding", ",0"),
        ("'cat'+'(dog:1.5)'", "around the whole expression", "'(dog:1.5)'"),
        ("'[a:b:0.5]'", "around", "'[a:b:0.5]'"),
        ("'cat','<lora:x:1>'", "around", "'<lora:x:1>'"),
        ("'a BREAK b'", "around", "'a BREAK b'"),
        ("'a mystile here'", "embedding MyStyle", "'a mystile here'"),
    ],
)
def test_traps_are_told_with_their_place(text: str, hint: str, faulty: str) -> None:
    (advice,) = advise(parse_expression(text), ["MyStyle", "other"])
    assert hint in advice.hint
    assert text[slice(*advice.span)] == faulty


@pytest.mark.parametrize(
    "text", ["'cat'*1.5,256", "'cat'*2", "'cat',256", "'mystyle'*2,'cat'", "'a (b) c'", "'cat':1,5"]
)
def test_what_is_meant_so_is_left_alone(text: str) -> None:
    assert advise(parse_expression(text), ["MyStyle"]) == []


def test_results_that_are_no_embedding_are_told() -> None:
    assert "empty" in advise_rows(0)[0].message
    assert advise_rows(1) == advise_rows(75) == []
    assert "76 rows" in advise_rows(76)[0].message
