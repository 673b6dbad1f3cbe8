"""A user would lose: a recipe that still learns on a model whose gradients are far noisier than those it was measured on."""

from pathlib import Path

import pytest
import torch

from lib_ti.config.options import config_values
from lib_ti.config.train import LossPart
from lib_ti.control import Control
from lib_ti.events import Judged, Planned, StepDone
from lib_ti.host import PictureSize, SessionRequest
from lib_ti.training import run as loop
from lib_ti.training.noise import (
    LONG_MEMORY,
    MOST,
    USUAL,
    picture_gradients,
    signal_to_noise,
    stretch_for,
    stretched,
)
from lib_ti.training.state import load_state, state_path
from lib_ti.training.update import Sample, draw_noise
from tests.toy_host import ToyHost
from tests.training.runs import Settings, final_vectors, run, same, stop_at

NORMALISED = {"optim__name": "normalised", "optim__lr": "0.3r cosine:10", "optim__steps": 10, "measure__noise": True}


@pytest.mark.parametrize("ratio", [0.05, 0.3, 2.0])
def test_the_ratio_is_that_of_the_signal_and_noise_that_went_in(ratio: float) -> None:
    chance = torch.Generator().manual_seed(1)
    signal = torch.randn(400, generator=chance)
    signal *= ratio**0.5 / signal.norm()
    noise = torch.randn(4000, 400, generator=chance) / 400**0.5
    assert signal_to_noise(signal + noise) == pytest.approx(ratio, rel=0.1)


def test_pure_noise_has_no_signal() -> None:
    noise = torch.randn(64, 1000, generator=torch.Generator().manual_seed(2))
    assert signal_to_noise(noise) < 0.02


def test_each_gradient_is_one_pictures_and_the_vectors_are_left_without(tmp_path: Path) -> None:
    host = ToyHost(tmp_path, "sdxl")
    vectors = {"foo": {name: torch.ones(2, width).requires_grad_() for name, width in host.widths.items()}}
    size = PictureSize(64, 64, 0, 0, 64, 64)
    samples = [
        Sample("a foo", size, torch.ones(4, 8, 8) * n, draw_noise(torch.Size((4, 8, 8)), 0, "x", n), 100 * n)
        for n in range(3)
    ]
    with host.training_session(SessionRequest("foo", 2)) as session:
        together = picture_gradients(session, vectors, samples, LossPart())
        alone = [picture_gradients(session, vectors, [sample], LossPart())[0] for sample in samples]
    assert together.shape == (3, 2 * sum(host.widths.values()))
    assert torch.equal(together, torch.stack(alone))
    assert all(value.grad is None for value in vectors["foo"].values())


def test_only_gradients_far_noisier_than_usual_make_a_run_longer() -> None:
    assert stretch_for(USUAL[0]) == stretch_for(USUAL[0] * 0.6) == stretch_for(5.0) == 1
    assert stretch_for(USUAL[0] / 4) == pytest.approx(4)
    assert stretch_for(0.0) == MOST


def test_a_longer_run_has_longer_stages_and_a_longer_memory(settings: Settings) -> None:
    config = settings(optim__lr="0.6r cosine:100, 0.3r cosine:150", optim__steps=150)
    longer = stretched(config, 2.0)
    assert longer.optim.lr == "0.6r cosine:200, 0.3r cosine:300"
    assert (longer.optim.steps, longer.optim.beta1) == (300, LONG_MEMORY)
    assert stretched(config, 1.0) is config


def noisy(monkeypatch: pytest.MonkeyPatch, ratio: float) -> None:
    monkeypatch.setattr(loop, "signal_to_noise", lambda gradients: ratio)


def test_the_run_says_how_noisy_it_is_and_goes_as_planned_where_that_is_usual(
    tmp_path: Path, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    noisy(monkeypatch, 0.2)
    events = run(ToyHost(tmp_path), settings(**NORMALISED))
    told = next(event for event in events if isinstance(event, Judged) and event.kind == "noise")
    assert "0.200" in told.reason
    assert len([event for event in events if isinstance(event, StepDone)]) == 10
    assert len([event for event in events if isinstance(event, Planned)]) == 1


def test_a_noisy_run_is_longer_says_so_and_is_resumed_by_the_same_command_bit_for_bit(
    tmp_path: Path, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    noisy(monkeypatch, USUAL[0] / 3)
    whole, host, control = ToyHost(tmp_path / "whole"), ToyHost(tmp_path / "halves"), Control()
    events = run(whole, settings(**NORMALISED))
    plans = [event for event in events if isinstance(event, Planned)]
    assert [plan.last_step for plan in plans] == [10, 30]
    assert any("for updates 1 to 30" in line for line in plans[1].lines)
    run(host, settings(**NORMALISED), control, stop_at(13, control))
    resumed = run(host, settings(**NORMALISED, embedding__resume=True))
    assert [event.step for event in resumed if isinstance(event, StepDone)] == list(range(14, 31))
    assert same(final_vectors(whole), final_vectors(host))
    assert not [event for event in resumed if type(event).__name__ == "Warned" and "other settings" in event.text]


def test_the_settings_in_the_file_bring_the_longer_run_again(
    tmp_path: Path, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    noisy(monkeypatch, USUAL[0] / 3)
    host, again = ToyHost(tmp_path / "one"), ToyHost(tmp_path / "two")
    run(host, settings(**NORMALISED))
    kept = load_state(state_path(host.embeddings_folder() / "foo.safetensors")).settings
    config = settings(**{path.replace(".", "__"): value for path, value in kept.items()})
    assert config_values(config)["optim.steps"] == 30
    run(again, config)
    assert same(final_vectors(host), final_vectors(again))


def test_other_optimizers_are_told_and_left_alone(
    tmp_path: Path, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    noisy(monkeypatch, 0.001)
    events = run(ToyHost(tmp_path), settings(measure__noise=True))
    assert [event.kind for event in events if isinstance(event, Judged)] == ["noise"]
    assert len([event for event in events if isinstance(event, StepDone)]) == 12
