"""A user would lose: the meaning of years of published expressions, and errors that show where and why."""

import pytest
from hypothesis import HealthCheck, given, settings

from lib_ti.errors import InvalidText
from lib_ti.expression import limits
from lib_ti.expression.nodes import Append, Chain, Crop, Keep, Part, Roll, Scale, Sum, Text, Token
from lib_ti.expression.parser import parse_expression
from lib_ti.expression.printer import print_expression
from tests.expression.strategies import EXPRESSIONS, MUTATED

A, B, C = Text("a"), Text("b"), Text("c")
TWICE = Scale("*", 2)


def plus(*nodes: Text | Chain | Sum) -> Sum:
    return Sum(tuple(Part(True, node) for node in nodes))


@pytest.mark.parametrize(
    ("text", "tree"),
    [
        ("'a'", A),
        ("'it''s'", Text("it's")),
        ("'a','b'*2", Chain(A, (Append(B), TWICE))),
        ("'a'*2,'b'", Chain(A, (TWICE, Append(B)))),
        ("'a'+'b'*2", plus(A, Chain(B, (TWICE,)))),
        ("'a'+'b'=*2", Chain(plus(A, B), (TWICE,))),
        ("('a'+'b')*2", Chain(plus(A, B), (TWICE,))),
        ("'a'+'b'*3=*2", Chain(plus(A, Chain(B, (Scale("*", 3),))), (TWICE,))),
        ("'a'+'b'=*2+'c'", plus(Chain(plus(A, B), (TWICE,)), C)),
        ("'a'+'b'=*2:3,'c'", Chain(plus(A, B), (TWICE, Crop(3), Append(C)))),
        ("'a'+'b','c'", plus(A, Chain(B, (Append(C),)))),
        ("'a'=*2", Chain(A, (TWICE,))),
        ("(('a'*2))*2", Chain(A, (TWICE, TWICE))),
        ("('a'+'b')+'c'", plus(plus(A, B), C)),
        ("-'a'", Sum((Part(False, A),))),
        ("-'a'=*2", Chain(Sum((Part(False, A),)), (TWICE,))),
        ("'a'-'b'-'c'", Sum((Part(True, A), Part(False, B), Part(False, C)))),
        ("'a'--'b'", plus(A, B)),
        ("'a'+-'b'", Sum((Part(True, A), Part(False, B)))),
        ("'a':2:+3:-1", Chain(A, (Crop(2), Roll(3), Roll(-1)))),
        ("'a' : + 3", Chain(A, (Roll(3),))),
        ("'a'*2L*3 G/4", Chain(A, (Scale("*", 2, "L"), Scale("*", 3, "G"), Scale("/", 4)))),
        ("'a'@L", Chain(A, (Keep("L"),))),
        ("'a'*5.*+5.e1/.5", Chain(A, (Scale("*", 5), Scale("*", 50), Scale("/", 0.5)))),
        ("'a'*1e3*-.5*+2E-2", Chain(A, (Scale("*", 1000), Scale("*", -0.5), Scale("*", 0.02)))),
        ("'',0,00,000,0000,256", Chain(Text(""), tuple(Append(Token(i)) for i in (0, None, 49407, 49406, 256)))),
    ],
)
def test_expressions_keep_their_meaning(text: str, tree: Text | Chain | Sum) -> None:
    assert parse_expression(text).root == tree


@pytest.mark.parametrize(
    ("text", "faulty", "word"),
    [
        ("", "", "missing"),
        ("  ", "", "missing"),
        ("'a' 'b'", "'b'", "Join two texts"),
        ("'a''+'b'", "b", "two quotes inside a text"),
        ("'a'++'b'", "+", "after '+'"),
        ("'a'+", "", "missing after '+'"),
        ("'a'*2+", "", "missing after '+'"),
        ("'cat'**2", "*", "number was expected"),
        ("'cat'*", "", "number was expected"),
        ("'',49408", "49408", "no token 49408"),
        ("'',01", "01", "zeros in front"),
        ("'cat'*1,05", "05", "write a point"),
        ("'a'=,'b'", ",", "brackets"),
        ("'a'=@L", "@", "brackets"),
        ("'a'=", "", "one of * / :"),
        ("'cat':1.5", "1.5", "whole number"),
        ("'cat':1.", "1.", "whole number"),
        ("'cat',5.", "5.", "whole number"),
        ("'cat'*.", ".", "number was expected"),
        ("'cat':+", "", "number of rows"),
        ("'a',1e3", "1e3", "whole number"),
        ("'a',,'b'", ",", "token id"),
        ("'a',-5", "-", "token id"),
        ("'a',b", "b", "Write 'b'"),
        ("'cat'/0", "0", "divided by zero"),
        ("'cat'/-0.0", "-0.0", "divided by zero"),
        ("'cat'*1 0", "0", "cannot join digits"),
        ("'cat'*1e999", "1e999", "too large"),
        ("'cat':1234567890", "1234567890", "too large"),
        ("cat+'dog'", "cat", "Write 'cat'"),
        ("2*'cat'", "2", "behind a text"),
        ("‘cat’", "‘", "straight single quotes"),
        ("'cat'+“dog”", "“", "straight single quotes"),
        ("'cat'*2l", "l", "mean L"),
        ("'cat'@clip_g", "clip_g", "mean G"),
        ("'cat'@H", "H", "L or G"),
        ("'cat", "'cat", "no closing quote"),
        ("'cat''", "'cat''", "no closing quote"),
        ("('a'+'b'", "(", "never closed"),
        ("('a'+'b'}", "}", "was expected"),
        ("'a')", ")", "never opened"),
        ("()", ")", "A text in quotes"),
        ("'a'('b')", "(", "Join two texts"),
    ],
)
def test_errors_put_the_caret_under_the_fault_and_say_what_to_do(text: str, faulty: str, word: str) -> None:
    with pytest.raises(InvalidText) as caught:
        parse_expression(text)
    error = caught.value
    assert text[error.start : error.end] == faulty
    assert word in str(error)
    assert str(error).splitlines()[2].index("^") == 2 + error.start


@pytest.mark.parametrize(
    "text",
    [
        "(" * 5000 + "'a'" + ")" * 5000,
        "'a'" + "+'a'=*2" * 5000,
        "(" * 60 + "'a'" + "+'a'=*2" * 60 + ")+'b'" * 60,
        "'a'*" + "9" * 5000,
        "'" + "a" * (limits.CHARACTERS + 1) + "'",
        "'a'" + ",".join("9" * 9 for _ in range(3)),
    ],
)
def test_absurd_expressions_are_refused_without_harm(text: str) -> None:
    with pytest.raises(InvalidText):
        parse_expression(text)


def test_long_flat_expressions_are_fine() -> None:
    text = "+".join(["'a'*2:3"] * 5000)
    assert len(parse_expression(text).root.parts) == 5000  # type: ignore[union-attr]


def test_nodes_know_their_place() -> None:
    text = " 'a' + ( 'b' )*2 =:3"
    root = parse_expression(text).root
    assert isinstance(root, Chain)
    assert text[slice(*root.span)] == "'a' + ( 'b' )*2 =:3"
    assert text[slice(*root.base.span)] == "'a' + ( 'b' )*2"
    assert text[slice(*root.postfixes[0].span)] == ":3"


def check_error(error: InvalidText, text: str) -> None:
    assert str(error)
    assert 0 <= error.start <= error.end <= len(text)


def check(text: str) -> None:
    try:
        expression = parse_expression(text)
    except InvalidText as error:
        check_error(error, text)
        return
    printed = print_expression(expression.root)
    assert parse_expression(printed) == expression
    assert print_expression(parse_expression(printed).root) == printed


@given(EXPRESSIONS)
@settings(max_examples=100, deadline=None)
def test_what_is_written_right_is_read_and_printed_back(text: str) -> None:
    parse_expression(text)
    check(text)


@given(MUTATED)
@settings(max_examples=100, deadline=None)
def test_slips_give_our_error_or_a_tree(text: str) -> None:
    check(text)


@pytest.mark.slow
@given(EXPRESSIONS)
@settings(max_examples=10_000, deadline=None, suppress_health_check=list(HealthCheck))
def test_ten_thousand_expressions(text: str) -> None:
    parse_expression(text)
    check(text)


@pytest.mark.slow
@given(MUTATED)
@settings(max_examples=10_000, deadline=None, suppress_health_check=list(HealthCheck))
def test_ten_thousand_slips(text: str) -> None:
    check(text)
