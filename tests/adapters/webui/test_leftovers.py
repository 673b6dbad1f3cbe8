"""A user would lose: training that sees whole pictures, after a picture that was made in tiles."""

import sys
from types import SimpleNamespace

import pytest
from torch import nn

from lib_ti.adapters.webui.leftovers import validate_loras, without_hypertile
from lib_ti.errors import HostError


def test_attention_in_tiles_is_off_meanwhile_and_as_before_afterwards() -> None:
    network = nn.Sequential(nn.Linear(1, 1), nn.Sequential(nn.Linear(1, 1)), nn.Linear(1, 1))
    params = [SimpleNamespace(enabled=True), SimpleNamespace(enabled=False)]
    for module, given in zip((network[1][0], network[2]), params, strict=True):  # type: ignore[index]
        setattr(module, "__webui_hypertile_params", given)
    with without_hypertile(network):
        assert [given.enabled for given in params] == [False, False]
    assert [given.enabled for given in params] == [True, False]


@pytest.fixture
def lists(monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    """A WebUI that lists one LoRA with an alias, and another once it has looked again."""
    networks = SimpleNamespace(available_networks={"ink": 1}, available_network_aliases={"Ink style": 1})
    networks.list_available_networks = lambda: networks.available_networks.update(new=1)
    shared = SimpleNamespace(hypernetworks={"anime": "anime.pt"})
    monkeypatch.setitem(sys.modules, "modules", SimpleNamespace(shared=shared))
    monkeypatch.setitem(sys.modules, "modules.shared", shared)  # type: ignore[arg-type]
    monkeypatch.setitem(sys.modules, "networks", networks)  # type: ignore[arg-type]
    return networks


@pytest.mark.parametrize(
    "text", ["", "<lora:ink:0.8>", "<lora:Ink style:1> <lora:new:0.5>", "<hypernet:anime:1>", "<lyco:ink:1>"]
)
def test_networks_that_the_webui_lists_pass(lists: SimpleNamespace, text: str) -> None:
    validate_loras(text)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("<lora:ink:1> <lora:nosuch:0.8>", "cannot load <lora:nosuch>"),
        ("<hypernet:nosuch:1>", "cannot load <hypernet:nosuch>"),
        ("ink", "'ink' is no LoRA"),
    ],
)
def test_a_lora_that_is_not_there_is_told_before_the_model_is_taken(
    lists: SimpleNamespace, text: str, told: str
) -> None:
    with pytest.raises(HostError, match=told) as refused:
        validate_loras(text)
    assert refused.value.where == "run.networks"


def test_lists_that_are_kept_otherwise_than_we_know_refuse_nothing(
    lists: SimpleNamespace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delitem(sys.modules, "networks")
    validate_loras("<lora:nosuch:1>")
