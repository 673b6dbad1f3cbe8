"""The README against the code: a flag or setting that it does not name, or names wrongly, is lost to users."""

import re
from pathlib import Path

import pytest

from tests.readme import README, commands, fill

TEXT = README.read_text(encoding="utf-8")


def test_its_tables_are_what_the_code_says() -> None:
    assert fill(TEXT) == TEXT, "run: python -m tests.readme"


@pytest.mark.parametrize("command", commands())
def test_every_command_is_documented_with_an_example_and_its_flags(command: str) -> None:
    assert f"### `{command}`" in TEXT
    assert f"python -m lib_ti {command}" in TEXT
    assert f"<!-- table: {command} -->" in TEXT


def test_every_example_names_flags_that_exist() -> None:
    for words in re.findall(r"^python -m lib_ti (.+?(?:\\\n.+?)*)$", TEXT, re.MULTILINE):
        command, *_ = words.split()
        known = {flag for action in commands()[command]._actions for flag in action.option_strings}
        assert set(re.findall(r"(?<=\s)--[a-z-]+", words)) <= known, words


def test_every_file_that_it_links_to_is_there() -> None:
    for target in re.findall(r"\]\((?!https?:|#)([^)]+)\)", TEXT):
        assert (Path(README.parent) / target.partition("#")[0]).exists(), target
