"""A user with a small card would lose: room for a training step beside the model."""

import sys
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from lib_ti.adapters.memory import training_room
from lib_ti.adapters.webui.memory import place_for_training, place_on_device

SD_MODEL: Any = SimpleNamespace(
    is_sdxl=False,
    forge_objects=SimpleNamespace(
        clip=SimpleNamespace(patcher="clip"), unet="unet", vae=SimpleNamespace(patcher="vae")
    ),
)
SHAPE = torch.Size([2, 4, 64, 64])


@pytest.fixture
def calls() -> list[tuple[list[str], dict[str, float]]]:
    return []


@pytest.fixture(params=["forge", "classic"])
def manager(request: pytest.FixtureRequest, calls: list[Any], monkeypatch: pytest.MonkeyPatch) -> str:
    def forge(models: list[str], memory_required: float = 0, hard_memory_preservation: float = 0) -> None:
        calls.append((models, {"required": memory_required, "kept": hard_memory_preservation}))

    def classic(models: list[str], memory_required: float = 0) -> None:
        calls.append((models, {"required": memory_required, "kept": 0}))

    chosen: dict[str, Callable[..., None]] = {"forge": forge, "classic": classic}
    kind: str = request.param
    module = SimpleNamespace(load_models_gpu=chosen[kind])
    monkeypatch.setitem(sys.modules, "backend.memory_management", module)  # type: ignore[arg-type]
    return kind


def test_the_unet_has_the_device_for_itself_with_room_for_a_step(manager: str, calls: list[Any]) -> None:
    """The text encoder, whose graph is gone by then, may be sent away for it."""
    for checkpointing in (False, True):
        place_for_training(SD_MODEL, SHAPE, torch.float16, checkpointing)
    room = [training_room(SHAPE, torch.float16, checkpointing, False) for checkpointing in (False, True)]
    assert calls[0] == (["unet"], {"required": room[0], "kept": 0})
    if manager == "forge":  # leaves weights outside for no other reason
        assert calls[1] == (["unet"], {"required": 0, "kept": room[1]})
    else:
        assert calls[1] == (["unet"], {"required": room[1], "kept": 0})


def test_a_webui_that_keeps_its_model_on_the_device_is_asked_nothing(manager: str, calls: list[Any]) -> None:
    place_on_device(SimpleNamespace(), "unet")
    place_for_training(SimpleNamespace(), SHAPE, torch.float16, True)
    assert calls == []


@pytest.mark.parametrize(
    ("side", "sdxl", "checkpointing", "counted"),
    [(512, False, False, 729), (512, False, True, 153), (512, True, False, 1286), (512, True, True, 186)],
)
def test_the_room_is_what_unets_of_full_size_keep(side: int, sdxl: bool, checkpointing: bool, counted: int) -> None:
    """Mebibytes, counted for one picture in float16 with fused attention."""
    shape = torch.Size([1, 4, side // 8, side // 8])
    room = training_room(shape, torch.float16, checkpointing, sdxl) / 2**20
    assert 1 <= room / counted < 1.2
    twice = torch.Size([2, *shape[1:]])
    assert training_room(twice, torch.float32, checkpointing, sdxl) / 2**20 == 4 * room
