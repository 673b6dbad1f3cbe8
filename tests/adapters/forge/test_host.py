"""A user would lose: why a checkpoint was not loaded, and the way back to the one before."""

from types import SimpleNamespace
from typing import Any

import pytest

from lib_ti.adapters.forge.host import ForgeHost
from lib_ti.errors import HostError
from tests.adapters.fake_modules import put_modules


@pytest.fixture
def forge(monkeypatch: pytest.MonkeyPatch) -> Any:
    """A stand-in that loads as Forge does: what was loaded before is gone first, and the same choice is not loaded twice."""

    def choose(name: str) -> None:
        data.forge_loading_parameters = {"checkpoint_info": SimpleNamespace(model_name=name)}

    def reload() -> None:
        now = str(data.forge_loading_parameters)
        if data.forge_hash == now:
            return
        data.sd_model = None
        info = data.forge_loading_parameters["checkpoint_info"]
        if info.model_name == "unknown":
            data.sd_model.extra_generation_params = {}  # its loader has answered None
        assert info.model_name != "headless", "You do not have CLIP state dict!"
        if info.model_name == "sd2":
            raise ModuleNotFoundError("Failed to recognize model...")  # as Neo says it
        data.sd_model = SimpleNamespace(forge_objects=object(), sd_checkpoint_info=info)
        data.forge_hash = now

    data = SimpleNamespace(sd_model=None, forge_hash="", forge_loading_parameters={}, choose=choose)
    opts = SimpleNamespace(sd_model_checkpoint=None)
    sd_models = {"model_data": data, "forge_model_reload": reload}
    put_modules(monkeypatch, "modules", {"sd_models": sd_models, "shared": {"opts": opts}})
    put_modules(
        monkeypatch, "modules_forge", {"main_entry": {"refresh_model_loading_parameters": lambda: choose("first")}}
    )
    return data


def test_the_chosen_checkpoint_is_loaded_once(forge: Any) -> None:
    assert ForgeHost().pending_model() == "the chosen checkpoint"
    loaded = ForgeHost()._load_chosen()
    assert loaded.sd_checkpoint_info.model_name == "first"
    assert ForgeHost().pending_model() == ""
    assert ForgeHost()._load_chosen() is loaded
    forge.choose("second")
    assert ForgeHost().pending_model() == "second"
    assert ForgeHost()._load_chosen().sd_checkpoint_info.model_name == "second"


@pytest.mark.parametrize(
    ("bad", "why"),
    [("headless", "You do not have CLIP state dict!"), ("unknown", "NoneType"), ("sd2", "Failed to recognize model")],
)
def test_a_checkpoint_that_cannot_be_loaded_is_named_and_the_one_before_can_be_had_again(
    forge: Any, bad: str, why: str
) -> None:
    ForgeHost()._load_chosen()
    before = forge.forge_loading_parameters
    forge.choose(bad)
    with pytest.raises(HostError, match=f"could not load {bad}: .*{why}"):
        ForgeHost()._load_chosen()
    forge.forge_loading_parameters = before
    assert ForgeHost().pending_model() == "first"
    assert ForgeHost()._load_chosen().sd_checkpoint_info.model_name == "first"
