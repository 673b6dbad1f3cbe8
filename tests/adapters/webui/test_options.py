"""A user would lose: a setting that a picture of ours had needed otherwise, or the choice made while it was drawn."""

import sys
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

from lib_ti.adapters.webui.options import options_set


@pytest.fixture
def settings(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    data: dict[str, Any] = {"sd_model_checkpoint": "first.safetensors"}
    modules = ModuleType("modules")
    vars(modules)["shared"] = SimpleNamespace(opts=SimpleNamespace(data=data))
    monkeypatch.setitem(sys.modules, "modules", modules)
    return data


def test_settings_are_otherwise_only_meanwhile(settings: dict[str, Any]) -> None:
    with options_set(sd_model_checkpoint="pinned", clip_skip=2):
        assert settings == {"sd_model_checkpoint": "pinned", "clip_skip": 2}
    assert settings == {"sd_model_checkpoint": "first.safetensors"}


def test_a_checkpoint_chosen_while_a_preview_is_drawn_stays_chosen(settings: dict[str, Any]) -> None:
    with options_set(sd_model_checkpoint="pinned", clip_skip=2):
        settings["sd_model_checkpoint"] = "second.safetensors"
    assert settings == {"sd_model_checkpoint": "second.safetensors"}
