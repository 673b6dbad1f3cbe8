"""A user would lose: the prompt as typed, when a picture is pasted back. The last tests ask a real WebUI's own reader."""

import ast
import json
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lib_ti.infotext import (
    EXACT,
    HIRES_NEGATIVE,
    HIRES_PROMPT,
    NEGATIVE,
    PROMPT,
    PROMPTS,
    exact_prompts,
    read_infotext,
    restore_prompts,
    write_infotext,
)
from tests.expression.strategies import EXPRESSIONS

BEFORE = {"Steps": "20", "Sampler": "Euler a", "CFG scale": "7", "Size": "512x768", "Model": "a, b"}
AFTER = {"Version": "v1.10.1"}
Prompts = dict[str, str]


def infotext(prompts: Mapping[str, str]) -> str:
    in_order = {key: prompts[key] for key in PROMPTS if key in prompts}
    return write_infotext({**BEFORE, **in_order, **exact_prompts(prompts), **AFTER})


def paste(text: str, read: Callable[[str], Mapping[str, str]] = read_infotext) -> Prompts:
    pasted = read(text)
    assert pasted["Steps"] == "20"
    return {key: pasted.get(key, "") for key in PROMPTS} | restore_prompts(pasted)


def check(prompts: Prompts, read: Callable[[str], Mapping[str, str]] = read_infotext) -> None:
    assert paste(infotext(prompts), read) == dict.fromkeys(PROMPTS, "") | prompts


HARD = [
    "a <'cat'+'dog'>, {'fog'*0.5}",
    " <'cat'> ",
    "\n\n<'cat'>\n b \n\n",
    "<'a \n b'>,\n  c",
    "<'>, <''','b'>\nc: d",
    "a \"<'b'>\"",
    "a\nNegative prompt: <'b'>",
    "<'Steps: 20, Sampler: x, Size: 1x1'>",
    "{'a\\'*2} \\ \"\\n\" \t",
    "<'é 猫 😀\u2028\x85'>\u3000",
    "<'a'>\r\nb\r",
    "\"<'a'>",
    ", <'a'>\"",
    "<'a':2>:1, TI Lab prompts: {}",
    " <('red'+'blue')*0.5>\n {-'a'*2}, ",
    " <-'red'*> \n<('a'",
]


@pytest.mark.parametrize("prompt", HARD)
@pytest.mark.parametrize("key", PROMPTS)
def test_what_was_typed_comes_back(key: str, prompt: str) -> None:
    check({PROMPT: "a cat"} | {key: prompt})


@pytest.mark.parametrize("prompt", HARD)
def test_what_was_typed_in_every_field_comes_back(prompt: str) -> None:
    check({key: f"{prompt}{number}" for number, key in enumerate(PROMPTS)})


A1111_SETTING = re.compile(r'\s*(\w[\w \-/]+):\s*("(?:\\.|[^\\"])+"|[^,]*)(?:,|$)')


@given(st.text(st.sampled_from('aZ1_é \t\r-/:,"\\.<'), max_size=40))
@settings(max_examples=2_000, deadline=None)
def test_settings_are_read_as_a1111_reads_them(line: str) -> None:
    line = f"aa: 1, bb: 2, cc: 3,{line}"
    wanted = dict(A1111_SETTING.findall(line.strip()))
    read = read_infotext(line)
    assert [key for key in read if key not in PROMPTS[:2]] == [key for key in wanted if key not in PROMPTS[:2]]
    for key, value in wanted.items():
        if value[:1] != '"' and key not in PROMPTS[:2]:
            assert read[key] == value


def test_nothing_is_added_where_nothing_is_needed() -> None:
    assert exact_prompts({PROMPT: " a cat \n b"}) == {}  # the host's own affair
    assert exact_prompts({PROMPT: "a <'cat'+'dog'>,\n{'fog'*0.5}", NEGATIVE: "<'blur'>"}) == {}
    same = {PROMPT: "a <'cat', 5>", NEGATIVE: "b", HIRES_PROMPT: "a <'cat', 5>", HIRES_NEGATIVE: "b"}
    assert exact_prompts(same) == {}
    assert paste(infotext(same)) == {PROMPT: "a <'cat', 5>", NEGATIVE: "b", HIRES_PROMPT: "", HIRES_NEGATIVE: ""}


def test_prompts_stay_readable_in_the_picture() -> None:
    text = infotext({PROMPT: "a <'cat'+'dog'>", NEGATIVE: "{'fog'}"})
    assert text.startswith("a <'cat'+'dog'>\nNegative prompt: {'fog'}\nSteps: 20, ")


def test_an_edit_by_hand_wins() -> None:
    text = infotext({PROMPT: " <'cat'> ", NEGATIVE: " <'fog'> "}).replace("cat", "dog", 1)
    assert paste(text)[PROMPT] == "<'dog'>"
    assert paste(text)[NEGATIVE] == " <'fog'> "


@pytest.mark.parametrize("value", ["", "{", "[1]", '{"Prompt": 5}', '{"Other": "x"}', "null", "9" * 5000])
def test_a_damaged_setting_leaves_the_prompt_as_shown(value: str) -> None:
    assert restore_prompts({PROMPT: "a <'cat'>", EXACT: value}) == {}


def test_pictures_of_embedding_merge_come_back() -> None:
    pasted = {
        PROMPT: "a photo of <'EM_1'>, {'EM_2'}",
        NEGATIVE: "{'EM_2'}",
        "EmbeddingMerge": "<'EM_1'>=<'sky' * 2/4 + '>, <''EM_2''>=<', 5>, {'EM_2'}={'blurry'+'cropped'}",
    }
    assert restore_prompts(pasted) == {
        PROMPT: "a photo of <'sky' * 2/4 + '>, <''EM_2''>=<', 5>, {'blurry'+'cropped'}",
        NEGATIVE: "{'blurry'+'cropped'}",
    }


_PLAIN = st.one_of(
    st.sampled_from(
        ["a cat", ", ", " ", "\n", "\n\n", "(b:1.2)", "Negative prompt: ", ": ", '"', "<lora:x:1>", "\\", "it"]
    ),
    st.text(st.characters(exclude_categories=["Cs"], exclude_characters="'"), max_size=6),
)
_FOUND = st.tuples(EXPRESSIONS, st.sampled_from(["<{}>", "{{{}}}"])).map(
    lambda pair: pair[1].format(pair[0].strip(" -(\n"))
)
PROMPT_TEXTS = st.lists(_PLAIN | _FOUND, min_size=1, max_size=4).map("".join)
ALL_PROMPTS = st.fixed_dictionaries({PROMPT: PROMPT_TEXTS}, optional=dict.fromkeys(PROMPTS[1:], PROMPT_TEXTS))


def has_expression(prompts: Prompts) -> bool:
    return any(re.search(r"<'|\{'", text) for text in prompts.values())


def same_hires(prompts: Prompts) -> bool:
    return prompts.get(HIRES_PROMPT) == prompts[PROMPT] or prompts.get(HIRES_NEGATIVE) == prompts.get(NEGATIVE, "")


def check_random(prompts: Prompts, read: Callable[[str], Mapping[str, str]] = read_infotext) -> None:
    if has_expression(prompts) and not same_hires(prompts):
        check(prompts, read)


@given(ALL_PROMPTS)
@settings(max_examples=50, deadline=None)
def test_random_prompts_come_back(prompts: Prompts) -> None:
    check_random(prompts)


@pytest.mark.slow
@given(ALL_PROMPTS)
@settings(max_examples=2_000, deadline=None, suppress_health_check=list(HealthCheck))
def test_two_thousand_prompts_come_back(prompts: Prompts) -> None:
    check_random(prompts)


@pytest.fixture(scope="session")
def webui_reader(webui_root: Path) -> Callable[[str], Mapping[str, str]]:
    """A1111's own reader of infotexts, taken out of its file so that nothing else of the WebUI is imported."""
    tree = ast.parse((webui_root / "modules" / "infotext_utils.py").read_text(encoding="utf-8"))
    wanted = {
        "re_param_code",
        "re_param",
        "re_imagesize",
        "unquote",
        "parse_generation_parameters",
        "restore_old_hires_fix_params",
    }
    body = [
        node
        for node in tree.body
        if getattr(node, "name", "") in wanted
        or (isinstance(node, ast.Assign) and getattr(node.targets[0], "id", "") in wanted)
    ]
    opts = SimpleNamespace(infotext_skip_pasting=[], infotext_styles="Ignore", use_old_hires_fix_width_height=False)
    space: dict[str, Any] = {
        "re": re,
        "json": json,
        "shared": SimpleNamespace(opts=opts),
        "prompt_parser": SimpleNamespace(parse_prompt_attention=lambda text: []),
        "infotext_versions": SimpleNamespace(backcompat=lambda read: None),
    }
    future = ast.parse("from __future__ import annotations").body
    exec(compile(ast.Module([*future, *body], []), "infotext_utils.py", "exec"), space)
    reader: Callable[[str], Mapping[str, str]] = space["parse_generation_parameters"]
    return reader


@pytest.mark.webui
@pytest.mark.parametrize("prompt", HARD)
def test_a_real_webui_brings_back_what_was_typed(prompt: str, webui_reader: Callable[[str], Mapping[str, str]]) -> None:
    check({key: f"{prompt}{number}" for number, key in enumerate(PROMPTS)}, webui_reader)


@pytest.mark.webui
@given(prompts=ALL_PROMPTS)
@settings(max_examples=300, deadline=None, suppress_health_check=list(HealthCheck))
def test_a_real_webui_brings_back_random_prompts(
    prompts: Prompts, webui_reader: Callable[[str], Mapping[str, str]]
) -> None:
    check_random(prompts, webui_reader)
