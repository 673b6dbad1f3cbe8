"""The schedule decides what every timestep means; it must be the one the models were trained with."""

import pytest
import torch

from lib_ti.adapters.noise_schedule import betas_of, build_alphas_cumprod, rescale_to_zero_snr


def test_the_schedule_has_the_known_values_of_stable_diffusion() -> None:
    alphas = build_alphas_cumprod()
    assert alphas.dtype == torch.float32
    assert alphas[[0, 500, 999]].tolist() == pytest.approx([0.99915, 0.2763, 0.0046604], rel=1e-3)
    sigmas = ((1 - alphas) / alphas).sqrt()
    assert sigmas[[0, 999]].tolist() == pytest.approx([0.029167, 14.6146], rel=1e-3)


def test_zero_terminal_snr_keeps_the_start_and_ends_at_nothing() -> None:
    plain, zero = build_alphas_cumprod(), build_alphas_cumprod(zero_terminal_snr=True)
    assert zero[0] == pytest.approx(plain[0].item(), rel=1e-5)
    assert 0 < zero[-1] < 1e-6
    assert (zero.diff() < 0).all()
    root, before = zero[:-1].double().sqrt(), plain[:-1].double().sqrt()
    slope = (before[0] - before) / (before[0] - plain[-1].double().sqrt())  # a straight map of the square roots
    torch.testing.assert_close((root[0] - root) / root[0], slope, rtol=1e-4, atol=1e-5)


def test_it_agrees_with_diffusers() -> None:
    from diffusers.schedulers.scheduling_ddim import rescale_zero_terminal_snr

    plain = build_alphas_cumprod().double()
    theirs = torch.cumprod(1 - rescale_zero_terminal_snr(betas_of(plain)), 0)
    torch.testing.assert_close(rescale_to_zero_snr(plain)[:-1], theirs[:-1], rtol=1e-5, atol=1e-8)


@pytest.mark.parametrize("zero", [False, True])
def test_betas_give_the_schedule_back(zero: bool) -> None:
    alphas = build_alphas_cumprod(zero).double()
    torch.testing.assert_close((1 - betas_of(alphas)).cumprod(0), alphas)
