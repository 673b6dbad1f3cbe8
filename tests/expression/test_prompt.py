"""A user would lose: expressions in prompts, beside everything else that a prompt may hold."""

import timeit
from collections.abc import Callable

import pytest

from lib_ti.adapters.standalone.tokenizer import tokenize
from lib_ti.errors import InvalidText
from lib_ti.expression.prompt import (
    advise_prompt,
    find_expressions,
    hide_expressions,
    may_hold_expression,
    placeholder,
    rewrite_prompt,
)


def expressions(prompt: str) -> list[str]:
    return [found.text for found in find_expressions(prompt)]


@pytest.mark.parametrize(
    ("prompt", "found"),
    [
        ("a photo of <'cat'+'dog'>, {'fog'*0.5} here", ["'cat'+'dog'", "'fog'*0.5"]),
        ("<'a'>{'b'}<'c'>", ["'a'", "'b'", "'c'"]),
        ("<'a'+'}'><'b'>", ["'a'+'}'", "'b'"]),
        ("<'>, <''','b'> and {'}'}", ["'>, <''','b'", "'}'"]),
        ("<'it''s'>>", ["'it''s'"]),
        ("<'a\nb' +\n'c'>", ["'a\nb' +\n'c'"]),
        ("<'a {''b'>", ["'a {''b'"]),
        ("< 'a'> it's {a|b} <lora:x:1> { 'b'} <a'b'> '< '", []),
        ("<'EM_1'> {'EM-12'} <'EM/3'> <'EM_1' + 'b'>", ["'EM_1' + 'b'"]),
        ("", []),
        ("<('red'+'blue')*0.5> <-'red'> {(-'a')} {-'b'}", ["('red'+'blue')*0.5", "-'red'", "(-'a')", "-'b'"]),
        ("<( 'a' + '}>{<' )> (<-'b'*2>:1.2)", ["( 'a' + '}>{<' )", "-'b'*2"]),
        ("<('a'> <('b' <-'c'> <('d'} <-> <() <(it's) fun> <3 a < b > c <-- 'e'", ["-'c'"]),
        ("<lora:x:1> <hypernet:it's:1> >:( 'no' <(^.^)> a->b<-c 'd' {(a|b)|'c'} {- 'e' |f}", []),
    ],
)
def test_expressions_are_found(prompt: str, found: list[str]) -> None:
    assert expressions(prompt) == found
    assert [prompt[f.start + 1 : f.end - 1] for f in find_expressions(prompt)] == found


@pytest.mark.parametrize("prompt", ["a <'cat'", "a <'cat>", "a <'cat'} b", "a <'cat''>"])
def test_an_expression_without_end_is_told_and_not_drawn_as_text(prompt: str) -> None:
    with pytest.raises(InvalidText, match=r"has no >(.|\n)*put a space") as caught:
        expressions(prompt)
    assert (caught.value.start, caught.value.end) == (2, 4)


@pytest.mark.parametrize(
    ("prompt", "rewritten"),
    [
        ("a <'cat'> b", "a P b"),
        ("<'cat'>", " P "),
        ("(<'one'+'two'>:0.9)", "( P :0.9)"),
        ("[<'a'>:{'b'}:0.5] AND <'c'>\nBREAK <lora:x:1>{'d'}", "[ P : P :0.5] AND P\nBREAK <lora:x:1> P "),
        ("a<'b'>c, it's < 'd'>", "a P c, it's < 'd'>"),
        ("no expression <lora:it's:1>", "no expression <lora:it's:1>"),
    ],
)
def test_placeholders_stand_apart_and_all_else_stays(prompt: str, rewritten: str) -> None:
    assert rewrite_prompt(prompt, lambda text: "P") == rewritten


@pytest.mark.parametrize(
    "prompt", ["<'a'>", "x<'a'>y", ",<'a'>,", "9<'a'>9", "-{'a'}'s", "é<'a'>\n(b:1.2)", "<'a'><'a'>"]
)
def test_hosts_find_the_placeholder_by_its_tokens(prompt: str) -> None:
    name = placeholder("'a'", "model")
    ids, wanted = (",".join(map(str, tokenize(text))) for text in (rewrite_prompt(prompt, lambda text: name), name))
    assert f",{wanted}," in f",{ids},"


@pytest.mark.parametrize(
    ("prompt", "hidden", "hidden_in_comments"),
    [
        ("a <'b'>, {'c'} d", "a 1, 2 d", "a 1, 2 d"),
        ("a # <'it' b\n<'c'> # {'d'}", "a # 1 # 2", "a # <'it' b\n1 # {'d'}"),
        ("<'#1'> # x\n{'#2'}", "1 # x\n2", "1 # x\n2"),
        ("<'open # b\nc", "<'open # b\nc", "<'open # b\nc"),
        ("# <'EM_1'> <'a'>", "# <'EM_1'> 1", "# <'EM_1'> <'a'>"),
        ("<('#1')> # <-'2'>", "1 # 2", "1 # <-'2'>"),
    ],
)
def test_expressions_can_be_kept_from_a_hosts_own_syntax(prompt: str, hidden: str, hidden_in_comments: str) -> None:
    for comments, wanted in ((False, hidden), (True, hidden_in_comments)):
        text, show = hide_expressions(prompt + "\ue000", comments)
        assert text.translate({0xE001: "1", 0xE002: "2"}) == wanted + "\ue000"
        assert show(text) == prompt + "\ue000"


@pytest.mark.parametrize(
    ("prompt", "span", "why"),
    [
        ("a <('red'+'blue')**2> b", (2, 21), "A number was expected after '*'"),
        ("a <-'red' b", (2, 3), "It has no > after its last closing quote"),
        ("{('red'+'blue'>", (0, 1), "It has no } after"),
        ("<('a'>", (0, 6), "This bracket is never closed"),
        ("{-'cause|since}", (0, 1), "It has no }"),
    ],
)
def test_what_is_nearly_an_expression_stays_and_is_told(prompt: str, span: tuple[int, int], why: str) -> None:
    (advice,) = advise_prompt(prompt)
    assert advice.span == span
    assert why in advice.message
    assert "plain text" in advice.hint
    assert not expressions(prompt)
    assert rewrite_prompt(prompt, str) == prompt
    assert hide_expressions(prompt, comments=False)[0] == prompt


def test_nothing_is_told_of_ordinary_prompts_and_right_expressions() -> None:
    prompt = "<lora:it's:1>, <3, a < b > c, <(^.^)>, it's <-, <'a'>, {('b')}, <'EM_1'>, {a|'b'}, < ('c'"
    assert advise_prompt(prompt) == []


def test_more_expressions_than_a_font_has_spare_signs_are_hidden_too() -> None:
    prompt = "<'a'>" * 10_000
    hidden, show = hide_expressions(prompt, comments=True)
    assert len(hidden) == 10_000
    assert show(hidden) == prompt


def test_an_expression_without_rows_leaves_nothing() -> None:
    assert rewrite_prompt("a <'b':0> c", lambda text: "").split() == ["a", "c"]


def test_errors_of_an_expression_reach_the_user() -> None:
    def place(text: str) -> str:
        raise InvalidText("no", text, 0, 1)

    with pytest.raises(InvalidText):
        rewrite_prompt("<'a'+>", place)


def test_placeholders_depend_on_all_parts_alone() -> None:
    names = [
        placeholder("'a'", "model"),
        placeholder("'a'", "other"),
        placeholder("'b'", "model"),
        placeholder("'a'model"),
    ]
    assert len(set(names)) == 4
    assert all(name.isalpha() and name.islower() for name in names)
    assert placeholder("'a'", "model") == names[0]


@pytest.mark.parametrize("look", [may_hold_expression, lambda prompt: rewrite_prompt(prompt, str)])
def test_a_prompt_without_expressions_costs_microseconds(look: Callable[[str], object]) -> None:
    prompt = "a photo of a cat, it's raining, (fog:1.2), <lora:x:1> " * 30
    assert min(timeit.repeat(lambda: look(prompt), number=100, repeat=5)) / 100 < 200e-6


def test_of_many_places_that_are_nearly_expressions_a_few_are_told() -> None:
    assert len(advise_prompt("<-'a'*> " * 1000)) == 5
