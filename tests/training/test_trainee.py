"""A user would lose: the learning rate and clipping that were asked for, and a run's momentum over a resume."""

import pytest
import torch

from lib_ti.config.train import OptimizerPart
from lib_ti.errors import TrainingFailed
from lib_ti.training.state import RunState
from lib_ti.training.trainee import Trainee

CPU = torch.device("cpu")
START = RunState(0, 0, 1, {"clip_l": torch.ones(2, 3), "clip_g": torch.ones(2, 4)})


def give_gradient(trainee: Trainee, value: float) -> None:
    for vector in trainee.vectors.values():
        vector.grad = torch.full_like(vector, value)


def test_first_adamw_step_moves_by_the_rate() -> None:
    trainee = Trainee(START, OptimizerPart(), CPU)
    give_gradient(trainee, 0.3)
    trainee.update(0.01, "disabled", 0.0, images=4)
    torch.testing.assert_close(trainee.vectors["clip_l"], torch.full((2, 3), 0.99))
    assert (trainee.step, trainee.samples) == (1, 4)
    assert torch.equal(START.vectors["clip_l"], torch.ones(2, 3))  # the start is a value, not the run's scratch


def test_value_clipping_limits_each_number() -> None:
    trainee = Trainee(START, OptimizerPart(), CPU)
    give_gradient(trainee, 0.3)
    trainee.update(0.01, "value", 0.1, 1)
    assert trainee.vectors["clip_l"].grad is not None
    assert trainee.vectors["clip_l"].grad.max() == pytest.approx(0.1)


def test_norm_clipping_limits_each_encoder_by_itself() -> None:
    trainee = Trainee(START, OptimizerPart(), CPU)
    give_gradient(trainee, 10.0)
    trainee.update(0.01, "norm", 0.5, 1)
    for vector in trainee.vectors.values():
        assert vector.grad is not None
        assert vector.grad.norm() == pytest.approx(0.5, rel=1e-4)


def test_resumed_optimizer_goes_on_exactly_and_obeys_the_new_rate() -> None:
    whole, half = Trainee(START, OptimizerPart(), CPU), Trainee(START, OptimizerPart(), CPU)
    for trainee in (whole, half):
        for step in range(5):
            give_gradient(trainee, 0.1 * step - 0.2)
            trainee.update(0.01, "disabled", 0.0, 1)
    # A file may give the vectors in another order: each must meet its own moments again.
    vectors = dict(reversed(half.plain_vectors().items()))
    resumed = Trainee(RunState(half.step, half.samples, 1, vectors, half.moments()), OptimizerPart(), CPU)
    for trainee in (whole, resumed):
        give_gradient(trainee, 0.7)
        trainee.update(0.5, "disabled", 0.0, 1)
    assert resumed.step == 6
    for name in whole.vectors:
        assert torch.equal(whole.vectors[name], resumed.vectors[name])


@pytest.mark.parametrize(
    ("loss", "gradient", "says"), [(float("nan"), 0.1, "loss became nan"), (0.3, float("inf"), "clip_l and clip_g")]
)
def test_an_update_that_would_spoil_the_vectors_is_refused_with_a_likely_cause(
    loss: float, gradient: float, says: str
) -> None:
    trainee = Trainee(START, OptimizerPart(), CPU)
    give_gradient(trainee, gradient)
    with pytest.raises(TrainingFailed, match=says) as failure:
        trainee.prove_finite(loss)
    assert "precision" in failure.value.hint


def test_norms_are_mean_row_lengths() -> None:
    assert Trainee(START, OptimizerPart(), CPU).norms() == pytest.approx({"clip_l": 3**0.5, "clip_g": 2.0})
