"""A user would lose: why a checkpoint was not loaded; and the first run after Reload UI."""

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


def test_a_checkpoint_that_was_chosen_but_is_not_loaded_is_pending(monkeypatch: pytest.MonkeyPatch) -> None:
    """Reload UI brings back the checkpoint of `--ckpt`, and loads it with the next picture only: a run was planned on the one
    in use, and then got the other."""
    first, second = (SimpleNamespace(filename=f"{name}.safetensors", model_name=name) for name in ("first", "second"))
    opts = SimpleNamespace(sd_model_checkpoint="second.safetensors [abc]")
    data = SimpleNamespace(sd_model=SimpleNamespace(sd_checkpoint_info=first))
    aliases = {"second.safetensors [abc]": second, "first.safetensors": first}
    parts = {"sd_models": {"model_data": data, "checkpoint_aliases": aliases}, "shared": {"opts": opts}}
    put_modules(monkeypatch, "modules", parts)
    assert A1111Host().pending_model() == "second"
    opts.sd_model_checkpoint = "first.safetensors"
    assert A1111Host().pending_model() == ""
    opts.sd_model_checkpoint = "gone.safetensors"  # the WebUI takes another: which, it decides
    assert A1111Host().pending_model() == ""
    data.sd_model = None
    assert A1111Host().pending_model() == "gone.safetensors"
