"""A user would lose: a WebUI whose own functions are what they were, and other extensions that put theirs around them too."""

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest

from lib_ti.adapters.webui.hook import Hook


def shout(original: Callable[[str], str], text: str) -> str:
    return original(text).upper() + "!"


@pytest.fixture
def webui() -> Any:
    return SimpleNamespace(say=lambda text: f"say {text}")


def test_a_function_is_ours_while_installed_and_then_itself_again(webui: Any) -> None:
    before, hook = webui.say, Hook(webui, "say")
    hook.install(shout)
    assert webui.say("a") == "SAY A!"
    assert hook.remove()
    assert webui.say is before


def test_installing_again_does_not_stack(webui: Any) -> None:
    hook = Hook(webui, "say")
    for _ in range(3):
        hook.install(shout)
    assert webui.say("a") == "SAY A!"


def test_under_another_extension_ours_sleeps_and_wakes_again(webui: Any) -> None:
    hook = Hook(webui, "say")
    hook.install(shout)
    ours = webui.say
    webui.say = lambda text: f"({ours(text)})"
    assert not hook.remove()
    assert webui.say("a") == "(say a)"
    hook.install(shout)
    assert webui.say("a") == "(SAY A!)"
