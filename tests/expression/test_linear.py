"""A user would lose: the whole program, to one text that takes minutes to be refused. It holds the interpreter while it is read.

Each reader of a text gets long repeats of what is hard for it. What took time with the square of the length took from seconds
to hours here.
"""

import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

import pytest

from lib_ti.adapters.standalone.chunks import parse_emphasis
from lib_ti.config.schedule import parse_schedule
from lib_ti.dataset.caption import caption_from_name, split_tags
from lib_ti.errors import InvalidText
from lib_ti.expression.advice import advise
from lib_ti.expression.evaluate import Dictionary, Rows, evaluate
from lib_ti.expression.limits import CHARACTERS
from lib_ti.expression.parser import parse_expression
from lib_ti.expression.printer import print_expression
from lib_ti.expression.prompt import advise_prompt, find_expressions, hide_expressions, may_hold_expression
from lib_ti.infotext import EMBEDDING_MERGE, EXACT, PROMPT, exact_prompts, read_infotext, restore_prompts

LONG = 50_000
SECONDS = 20

UNITS = [
    "'",
    "''",
    "'a'",
    "'a'+",
    "'a',",
    "'a'*2",
    "=*2",
    "+'a'=*2",
    "*2",
    ":+1",
    ":2",
    "*1,5",
    "@L",
    "(",
    "((",
    "-(",
    "-",
    "--",
    "+",
    ",",
    ",,",
    ".",
    "5.",
    ".5",
    "1e",
    "9",
    "0",
    "a",
    "a1",
    "_",
    "<'",
    "{'",
    "<'a'",
    "<'a'>",
    "<'a'+",
    "<(",
    "<-'",
    "<-'a'",
    "<-'a'>",
    "<-'a",
    "<-''",
    "<-'''",
    "<('a'",
    "<('a')>",
    "{-'a'}",
    "<",
    ">",
    "{",
    "}",
    "<>",
    "<'EM_1'>",
    "<'EM_1'>=<'",
    "<'EM_1'>=<'a'>,",
    "<'EM_1'>=<'a'",
    "a:",
    "a:1",
    "a:1,",
    'a:"',
    'a:"\\',
    'a:"\\"',
    "/",
    '"',
    "\\",
    ":",
    ":1",
    "1:",
    "1:2,",
    "1:2",
    "#",
    "BREAK",
    "[",
    "[:",
    "[:]",
    "(:",
    "(:1",
    "<a:",
    "aaab",
    "aaab-",
    "Negativeprompt:",
    "é",
    "😀",
]
HARD = [*UNITS, " ", "\n", " \n", "\u2003", "1 ", "a ", "a: ", "\nb", "Negative prompt:\n", "BREAK ", "\ue000", "' '"]
AROUND = [("", ""), ("'", "'"), ("1", "x")]


def advise_and_count(text: str) -> None:
    expression = parse_expression(text)
    print_expression(expression.root)
    advise(expression, ["aaaab", "aaabb-", "my-cat"])
    evaluate(expression, Rows(lambda name: 1), Dictionary(lambda text: [320] * len(text)))


def hide_and_show(text: str) -> None:
    for comments in (False, True):
        hidden, show = hide_expressions(text, comments)
        assert show(hidden) == text


READERS: dict[str, Callable[[str], object]] = {
    "parse": lambda text: parse_expression(text[:CHARACTERS]),
    "advise": lambda text: advise_and_count(text[:CHARACTERS]),
    "may hold": may_hold_expression,
    "find": lambda text: list(find_expressions(text)),
    "advise prompt": advise_prompt,
    "hide": hide_and_show,
    "read infotext": read_infotext,
    "exact prompts": lambda text: exact_prompts({PROMPT: f"<'a'> {text}"}),
    "restore": lambda text: restore_prompts({PROMPT: text, EMBEDDING_MERGE: text, EXACT: text}),
    "emphasis": parse_emphasis,
    "schedule": lambda text: parse_schedule(text[:10_000]),
    "long schedule": parse_schedule,
    "file name": caption_from_name,
    "tags": split_tags,
}


@contextmanager
def limit(seconds: float) -> Iterator[None]:
    """Of the processor's time, so that a busy machine makes no difference. Windows has no such clock: there one waits."""
    if not hasattr(signal, "SIGPROF"):
        yield
        return

    def late(*_: object) -> None:
        raise TimeoutError

    before = signal.signal(signal.SIGPROF, late)
    signal.setitimer(signal.ITIMER_PROF, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.signal(signal.SIGPROF, before)


@pytest.mark.slow
@pytest.mark.parametrize("name", READERS)
def test_no_text_of_fifty_thousand_letters_holds_the_program(name: str) -> None:
    read, slow = READERS[name], []
    for unit in HARD:
        for front, back in AROUND:
            text = front + unit * (max(1, LONG // len(unit))) + back
            begun = time.process_time()
            with suppress(InvalidText, TimeoutError), limit(SECONDS):
                read(text)
            if time.process_time() - begun >= SECONDS:
                slow.append((front, unit, back))
    assert slow == []


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("schedule", "1" + " " * 9_998 + "x"),
        ("schedule", "1" * 9_998 + "x"),
        ("long schedule", "1" + " " * 1_000_000 + "x"),
        ("hide", "<'" * 50_000),
        ("find", "a" + "<-'''" * 20_000),
        ("read infotext", "a" * 100_000),
        ("read infotext", "1 " * 50_000),
        ("read infotext", "a" + "\nb" * 50_000),
        ("restore", "<'EM_1'>=<'a'" * 20_000),
        ("restore", "[" * 100_000),
        ("restore", '{"Prompt":' * 100_000),
        ("parse", "'a'" + "=*2" * 16_000),
        ("emphasis", "(a" * 60_000 + ":1.1)" * 60_000),
        ("emphasis", "[a" * 60_000),
        ("advise", "'" + "[" + ":" * 40_000 + "'"),
        ("advise", "'" + "<a:" * 16_000 + "'"),
        ("advise", "'" + " ".join(f"aaab{number}" for number in range(5_000)) + "'"),
    ],
)
def test_what_took_minutes_is_read_or_refused_at_once(name: str, text: str) -> None:
    with suppress(InvalidText), limit(SECONDS):
        READERS[name](text)


def test_a_chunk_breaks_at_once_however_many_spaces_stand_there() -> None:
    with limit(SECONDS):
        parse_emphasis(" " * 100_000)
    assert [piece.text for piece in parse_emphasis("a \n BREAK  b BREAK BREAK c")] == ["a", "b", "", "c"]


@pytest.mark.parametrize("read", [parse_schedule, parse_expression])
def test_a_text_that_is_too_long_is_refused_with_its_length_and_the_limit(read: Callable[[str], object]) -> None:
    with pytest.raises(InvalidText, match=r"has 100,000 characters; at most (10|50),000 can be read"):
        read("1" * 100_000)
