"""A user would lose: why a checkpoint was not loaded."""

import sys
from types import ModuleType, SimpleNamespace

import pytest

from lib_ti.adapters.ldm.model import load_chosen
from lib_ti.errors import HostError


def test_a_checkpoint_that_cannot_be_loaded_is_named_with_the_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    def reload() -> None:
        raise RuntimeError("invalid header in broken.safetensors")

    modules = ModuleType("modules")
    vars(modules)["sd_models"] = SimpleNamespace(reload_model_weights=reload)
    vars(modules)["shared"] = SimpleNamespace(
        sd_model=object(), opts=SimpleNamespace(sd_model_checkpoint="broken.safetensors")
    )
    monkeypatch.setitem(sys.modules, "modules", modules)
    with pytest.raises(HostError, match=r"could not load broken\.safetensors: invalid header"):
        load_chosen()
