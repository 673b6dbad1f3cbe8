"""A user would lose: targets that the model understands, and runs that can be repeated."""

import pytest
import torch

from lib_ti.config.train import LossPart
from lib_ti.training.noise import add_noise, draw_noise, draw_timesteps, loss_weight, prediction_target

ALPHA = torch.tensor([0.9991, 0.5, 0.0047])
SNR = ALPHA / (1 - ALPHA)
SHAPE = torch.Size([4, 6, 5])
CPU = torch.device("cpu")


def test_noise_and_v_targets_lead_back_to_the_picture() -> None:
    latents, noise = torch.randn(3, 4, 6, 5), torch.randn(3, 4, 6, 5)
    a = ALPHA.view(-1, 1, 1, 1)
    noisy = add_noise(latents, noise, ALPHA)
    torch.testing.assert_close(
        a.sqrt() * noisy - (1 - a).sqrt() * prediction_target(latents, noise, ALPHA, "v_prediction"), latents
    )
    assert prediction_target(latents, noise, ALPHA, "epsilon") is noise


@pytest.mark.parametrize(
    ("weighting", "prediction_type", "expected"),
    [
        ("none", "epsilon", torch.ones(3)),
        ("balanced", "epsilon", torch.tensor([0.3, 1.0, 6.0])),
        ("min_snr", "epsilon", SNR.clamp(max=5) / SNR),
        ("min_snr", "v_prediction", SNR.clamp(max=5) / (SNR + 1)),
        ("debiased", "epsilon", SNR.clamp(max=1000).rsqrt()),
        ("debiased", "v_prediction", 1 / (SNR + 1)),
    ],
)
def test_loss_weights(weighting: str, prediction_type: str, expected: torch.Tensor) -> None:
    torch.testing.assert_close(loss_weight(ALPHA, prediction_type, LossPart(weighting=weighting)), expected)  # type: ignore[arg-type]


def test_weights_stay_finite_at_zero_terminal_snr() -> None:
    for weighting in ("balanced", "min_snr", "debiased"):
        weights = loss_weight(torch.tensor([0.0, 1.0]), "v_prediction", LossPart(weighting=weighting))
        assert torch.isfinite(weights).all()


def test_noise_is_a_function_of_seed_and_sample_alone() -> None:
    first = draw_noise(SHAPE, CPU, 0.0, 7, 3)
    torch.manual_seed(99)
    torch.randn(5)
    assert torch.equal(first, draw_noise(SHAPE, CPU, 0.0, 7, 3))
    assert not torch.equal(first, draw_noise(SHAPE, CPU, 0.0, 7, 4))
    assert not torch.equal(first, draw_noise(SHAPE, CPU, 0.0, 8, 3))


def test_noise_offset_shifts_whole_channels() -> None:
    difference = draw_noise(SHAPE, CPU, 0.5, 1, 1) - draw_noise(SHAPE, CPU, 0.0, 1, 1)
    torch.testing.assert_close(difference, difference[:, :1, :1].expand(SHAPE), atol=1e-6, rtol=0)
    assert difference.abs().max() > 0.01


def test_timesteps_are_uniform_and_do_not_depend_on_how_samples_are_batched() -> None:
    together = draw_timesteps(4000, 0, 1, 1000, stratified=False)
    alone = [draw_timesteps(1, n, 1, 1000, stratified=False)[0] for n in range(100)]
    assert together[:100] == alone
    assert min(together) >= 0
    assert max(together) <= 999
    assert abs(sum(together) / len(together) - 499.5) < 15


def test_stratified_timesteps_take_one_of_each_stratum() -> None:
    timesteps = draw_timesteps(10, 30, 1, 1000, stratified=True)
    assert sorted(t // 100 for t in timesteps) == list(range(10))
    assert timesteps != sorted(timesteps)
