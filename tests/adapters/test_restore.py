"""What we change for a while in objects that are not ours must be as it was afterwards."""

import random
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from torch import nn

from lib_ti.adapters.restore import attributes_set, modules_kept, random_state_kept


def test_attributes_come_back_and_new_ones_go_again_also_after_an_error() -> None:
    had, had_not = SimpleNamespace(flag=False), SimpleNamespace()

    def fail() -> None:
        with attributes_set([had, had_not], flag=True):
            assert had.flag
            assert had_not.flag
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    assert vars(had) == {"flag": False}
    assert vars(had_not) == {}


def test_a_forward_of_its_own_is_taken_off_a_module_again() -> None:
    layer = nn.Linear(2, 2)
    with attributes_set([layer], forward=lambda x: x):
        assert torch.equal(layer(torch.ones(2)), torch.ones(2))
    assert "forward" not in vars(layer)


def test_modules_are_frozen_only_meanwhile_and_keep_no_gradient() -> None:
    model = nn.Sequential(nn.Linear(2, 2), nn.Dropout())
    model[0].bias.requires_grad_(False)
    with modules_kept([model]):
        model.requires_grad_(False).eval()
        model[0].weight.grad = torch.ones(2, 2)
    assert [weight.requires_grad for weight in model.parameters()] == [True, False]
    assert model.training
    assert model[0].weight.grad is None


def test_random_state_of_an_apple_chip_is_as_before(monkeypatch: pytest.MonkeyPatch) -> None:
    state = torch.tensor([1, 2, 3], dtype=torch.uint8)
    monkeypatch.setattr(torch.mps, "get_rng_state", state.clone)
    monkeypatch.setattr(torch.mps, "set_rng_state", state.copy_)

    def draw_and_fail() -> None:
        with random_state_kept(torch.device("mps")):
            state.add_(7)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        draw_and_fail()
    assert state.tolist() == [1, 2, 3]


def test_random_state_is_as_before() -> None:
    def draw() -> tuple[float, float, float]:
        return random.random(), np.random.random(), torch.rand(()).item()

    states = random.getstate(), np.random.get_state(), torch.get_rng_state()
    expected = draw()
    random.setstate(states[0])
    np.random.set_state(states[1])
    torch.set_rng_state(states[2])
    with random_state_kept(torch.device("cpu")):
        draw()
    assert draw() == expected
