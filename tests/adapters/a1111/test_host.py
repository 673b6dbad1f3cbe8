"""A user would lose: why a checkpoint was not loaded."""

from types import SimpleNamespace

import pytest

from lib_ti.adapters.a1111.host import A1111Host
from lib_ti.errors import HostError
from tests.adapters.fake_modules import put_modules


def test_a_checkpoint_that_cannot_be_loaded_is_named_with_the_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    def reload() -> None:
        raise RuntimeError("invalid header in broken.safetensors")

    opts = SimpleNamespace(sd_model_checkpoint="broken.safetensors")
    parts = {"sd_models": {"reload_model_weights": reload}, "shared": {"sd_model": object(), "opts": opts}}
    put_modules(monkeypatch, "modules", parts)
    with pytest.raises(HostError, match=r"could not load broken\.safetensors: invalid header"):
        A1111Host()._load_chosen()
