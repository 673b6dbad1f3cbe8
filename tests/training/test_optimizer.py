"""A user would lose: what each optimizer promises, vectors of a length that prompts bear, and an exact resume with any of them."""

import math
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from lib_ti.config import train as settings_of
from lib_ti.config.options import build_config
from lib_ti.config.train import OptimizerPart, TrainConfig
from lib_ti.errors import InvalidConfig, TrainingFailed
from lib_ti.training.optimizer import OPTIMIZERS, cap_rows, rate_of_numbers
from lib_ti.training.plan import plan_training
from lib_ti.training.state import RunState, load_state, save_state
from lib_ti.training.update import Trainee
from tests.toy_host import ToyHost

Settings = Callable[..., TrainConfig]
CPU = torch.device("cpu")
WORDS = {"clip_l": 0.4, "clip_g": 0.7}
START = RunState(0, 0, 1, {"clip_l": torch.ones(2, 3) * 0.1, "clip_g": torch.ones(2, 4) * 0.2})


def gradients(seed: int) -> dict[str, torch.Tensor]:
    chance = torch.Generator().manual_seed(seed)
    return {name: torch.randn(vector.shape, generator=chance) for name, vector in START.vectors.items()}


def take_steps(trainee: Trainee, first: int, last: int, rate: float, relative: bool = False) -> None:
    for n in range(first, last):
        for name, gradient in gradients(n).items():
            if trainee.vectors["foo"][name].requires_grad:
                trainee.vectors["foo"][name].grad = gradient
        trainee.step_by(rate, relative, 0.0, 1)


def test_the_settings_name_every_optimizer_there_is() -> None:
    assert tuple(OPTIMIZERS) == settings_of.OPTIMIZERS


def test_normalised_is_the_formula_of_the_recipe_in_each_encoder() -> None:
    """M = beta M + (1 - beta) g / |g|; v -= p m M / (1 - beta^k); v *= min(1, m / |v|)."""
    trainee = Trainee(START, OptimizerPart(name="normalised", length="cap"), CPU, WORDS, "foo")
    take_steps(trainee, 0, 6, 0.6, relative=True)
    for name, vector in trainee.vectors["foo"].items():
        m, v, momentum = WORDS[name], START.vectors[name].clone(), torch.zeros_like(START.vectors[name])
        for k in range(1, 7):
            g = gradients(k - 1)[name]
            momentum = 0.9 * momentum + 0.1 * g / g.norm(dim=1, keepdim=True)
            v = v - 0.6 * m * momentum / (1 - 0.9**k)
            v = v * (m / v.norm(dim=1, keepdim=True)).clamp(max=1)
        torch.testing.assert_close(vector.detach(), v)


@given(st.floats(1e-25, 1e25))
def test_normalised_learns_as_fast_from_a_faint_picture_as_from_a_strong_one(strength: float) -> None:
    """Half precision's gradients are tiny, and the noisiest timestep's are huge."""
    moved = []
    for scale in (1.0, strength):
        trainee = Trainee(START, OptimizerPart(name="normalised"), CPU, WORDS, "foo")
        for name, gradient in gradients(3).items():
            trainee.vectors["foo"][name].grad = gradient * scale
        trainee.step_by(0.01, False, 0.0, 1)
        moved.append(trainee.embeddings["foo"].plain_vectors())
    for name in WORDS:
        torch.testing.assert_close(moved[0][name], moved[1][name], rtol=1e-4, atol=1e-6)


def test_rows_without_a_gradient_stay_where_they_are() -> None:
    trainee = Trainee(START, OptimizerPart(name="normalised"), CPU, WORDS, "foo")
    for vector in trainee.vectors["foo"].values():
        vector.grad = torch.zeros_like(vector)
    trainee.step_by(0.5, False, 0.0, 1)
    for name, vector in trainee.vectors["foo"].items():
        assert torch.equal(vector.detach(), START.vectors[name])


@pytest.mark.parametrize("name", ["adamw", "normalised"])
def test_a_relative_rate_moves_a_row_by_that_share_of_a_word_at_first(name: str) -> None:
    """One rate for SD1, SD2 and both encoders of SDXL, whose words are of different lengths."""
    trainee = Trainee(START, OptimizerPart(name=name), CPU, WORDS, "foo")
    take_steps(trainee, 0, 1, 0.3, relative=True)
    for encoder, vector in trainee.vectors["foo"].items():
        moved = (vector.detach() - START.vectors[encoder]).norm(dim=1)
        torch.testing.assert_close(moved, torch.full((2,), 0.3 * WORDS[encoder]), rtol=1e-4, atol=0)


def test_a_plain_rate_is_what_adamw_moves_a_number_by() -> None:
    assert rate_of_numbers(0.005, False, 0.4, 768) == 0.005
    assert rate_of_numbers(0.6, True, 0.4, 768) * math.sqrt(768) == pytest.approx(0.24)


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_no_row_is_longer_than_the_cap_with_any_optimizer(name: str) -> None:
    longest: dict[str, list[float]] = {"free": [], "cap": []}
    for length, found in longest.items():
        optim = OptimizerPart(name=name, length=length, cap=1.5)
        trainee = Trainee(START, optim, CPU, WORDS, "foo")
        for _ in range(40):
            for vector in trainee.vectors["foo"].values():
                vector.grad = -torch.ones_like(vector)
            trainee.step_by(1.0 if name == "prodigy" else 0.1, False, 0.0, 1)
        found += [float(v.detach().norm(dim=1).max()) / WORDS[n] for n, v in trainee.vectors["foo"].items()]
    assert min(longest["free"]) > 2
    assert longest["cap"] == pytest.approx([1.5, 1.5], rel=1e-4)


def test_the_cap_leaves_short_rows_and_zeros_alone() -> None:
    rows = torch.tensor([[3.0, 4.0], [0.3, 0.4], [0.0, 0.0]])
    cap_rows(rows, 1.0)
    torch.testing.assert_close(rows, torch.tensor([[0.6, 0.8], [0.3, 0.4], [0.0, 0.0]]))


@pytest.mark.parametrize("zeros", [False, True])
@pytest.mark.parametrize("name", OPTIMIZERS)
def test_interrupted_and_resumed_from_a_file_is_bit_equal(tmp_path: Path, name: str, zeros: bool) -> None:
    start = RunState(0, 0, 1, {key: value * (not zeros) for key, value in START.vectors.items()})
    optim = OptimizerPart(name=name, length="cap", weight_decay=0.01)
    rate = 1.0 if name == "prodigy" else 0.02
    whole, half = Trainee(start, optim, CPU, WORDS, "foo"), Trainee(start, optim, CPU, WORDS, "foo")
    take_steps(whole, 0, 20, rate)
    take_steps(half, 0, 9, rate)
    save_state(
        tmp_path / "x.state",
        RunState(
            9, 9, 1, half.embeddings["foo"].plain_vectors(), half.embeddings["foo"].moments(), run="r", optimizer=name
        ),
    )
    resumed = Trainee(load_state(tmp_path / "x.state"), optim, CPU, WORDS, "foo")
    take_steps(resumed, 9, 20, rate)
    for encoder, vector in whole.vectors["foo"].items():
        assert torch.equal(vector, resumed.vectors["foo"][encoder]), encoder
    assert resumed.step == whole.step == 20


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_a_step_that_comes_to_no_number_is_undone_in_the_optimizer_too(name: str) -> None:
    optim = OptimizerPart(name=name)
    trainee = Trainee(START, optim, CPU, WORDS, "foo")
    take_steps(trainee, 0, 3, 0.01)
    vectors, moments = trainee.embeddings["foo"].plain_vectors(), copied(trainee.embeddings["foo"].moments())
    for vector in trainee.vectors["foo"].values():
        vector.grad = torch.full_like(vector, 1e30)
    with pytest.raises(TrainingFailed, match="update 4 would have made"):
        trainee.step_by(1e38, False, 0.0, 1)
    assert all(torch.equal(vectors[n], v) for n, v in trainee.embeddings["foo"].plain_vectors().items())
    for encoder, state in trainee.embeddings["foo"].moments().items():
        assert all(torch.equal(moments[encoder][key], value) for key, value in state.items())


def copied(moments: Mapping[str, Mapping[str, torch.Tensor]]) -> dict[str, dict[str, torch.Tensor]]:
    return {name: {key: value.clone() for key, value in one.items()} for name, one in moments.items()}


@pytest.mark.parametrize(("learns", "stays"), [("clip_l", "clip_g"), ("clip_g", "clip_l")])
def test_one_encoder_may_learn_alone(learns: str, stays: str) -> None:
    trainee = Trainee(START, OptimizerPart(encoders=learns), CPU, WORDS, "foo")
    take_steps(trainee, 0, 3, 0.01)
    assert torch.equal(trainee.vectors["foo"][stays].detach(), START.vectors[stays])
    assert not torch.equal(trainee.vectors["foo"][learns].detach(), START.vectors[learns])
    assert list(trainee.embeddings["foo"].moments()) == [learns]


def test_moments_of_another_optimizer_are_not_used() -> None:
    """They would mean something else: a run goes on from its vectors, and starts its momentum anew."""
    trainee = Trainee(START, OptimizerPart(), CPU, WORDS, "foo")
    take_steps(trainee, 0, 3, 0.01)
    state = RunState(
        3, 3, 1, trainee.embeddings["foo"].plain_vectors(), trainee.embeddings["foo"].moments(), optimizer="adamw"
    )
    other = Trainee(state, OptimizerPart(name="normalised"), CPU, WORDS, "foo")
    assert other.embeddings["foo"].moments() == {"clip_l": {}, "clip_g": {}}


REFUSED = [
    ({"optim.name": "prodigy", "optim.lr": "0.6r"}, "optim.lr"),
    ({"optim.name": "prodigy", "optim.epsilon": 0}, "optim.epsilon"),
    ({"optim.name": "normalised", "save.optim": True}, "save.optim"),
    ({"optim.clip": "norm", "optim.clip_at": "0.6r"}, "optim.clip_at"),
    ({"optim.name": "adam"}, "optim.name"),
]


@pytest.mark.parametrize(("values", "where"), REFUSED)
def test_what_does_not_go_together_is_refused_at_its_field(values: dict[str, object], where: str) -> None:
    with pytest.raises(InvalidConfig) as refused:
        build_config(TrainConfig, {"embedding.name": "x", "data.folder": "y"} | values)
    assert [fault.where for fault in refused.value.faults] == [where]


def test_prodigy_without_its_package_is_refused_before_the_run(
    tmp_path: Path, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "prodigyopt", None)
    with pytest.raises(InvalidConfig, match="install the package prodigyopt"):
        plan_training(ToyHost(tmp_path), settings(optim__name="prodigy", optim__lr="1"))


def test_prodigy_at_a_rate_for_adamw_is_told(tmp_path: Path, settings: Settings) -> None:
    plan = plan_training(ToyHost(tmp_path), settings(optim__name="prodigy", optim__lr="0.005"))
    assert any("1 is usual" in warning for warning in plan.warnings)
    plan = plan_training(ToyHost(tmp_path), settings(optim__name="prodigy", optim__lr="1"))
    assert not any("usual" in warning for warning in plan.warnings)
