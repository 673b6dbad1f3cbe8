"""The diffusion maths of a training step, and its chances.

Every random number is drawn from a generator seeded by (training seed, what for, counters) and by nothing else, so that a
resumed run draws what the uninterrupted one would have drawn, and a preview in between cannot disturb it.
"""

from hashlib import blake2b

import torch

from lib_ti.config.train import LossPart
from lib_ti.host import PredictionType


def generator(device: torch.device | str, *counters: int | str) -> torch.Generator:
    """A generator on `device` whose numbers are a function of `counters` alone."""
    digest = blake2b(repr(counters).encode(), digest_size=8).digest()
    return torch.Generator(device).manual_seed(int.from_bytes(digest, "little") >> 1)


def draw_noise(shape: torch.Size, device: torch.device, offset: float, *counters: int | str) -> torch.Tensor:
    """Gaussian noise [C, h, w] float32, made on `device`. `offset` adds noise that is equal over each whole channel."""
    chance = generator(device, "noise", *counters)
    noise = torch.randn(shape, generator=chance, device=device)
    if offset:
        noise += offset * torch.randn(shape[0], 1, 1, generator=chance, device=device)
    return noise


def draw_timesteps(count: int, first: int, seed: int, steps: int, stratified: bool) -> list[int]:
    """Timesteps 0 .. steps - 1 of samples `first` .. `first + count - 1`.

    Uniform; stratified cuts the range into `count` equal strata and gives each sample of the update one of its own.
    """
    draws = [
        torch.rand((), generator=generator("cpu", "timestep", seed, n), dtype=torch.float64).item()
        for n in range(first, first + count)
    ]
    if stratified:
        strata = torch.randperm(count, generator=generator("cpu", "strata", seed, first)).tolist()
        draws = [(stratum + draw) / count for stratum, draw in zip(strata, draws, strict=True)]
    return [min(int(draw * steps), steps - 1) for draw in draws]


def add_noise(latents: torch.Tensor, noise: torch.Tensor, alpha: torch.Tensor) -> torch.Tensor:
    """x_t = sqrt(a) x_0 + sqrt(1 - a) n (Ho et al. 2020, eq. 4). `latents`, `noise`: [B, C, h, w]; `alpha`: [B], alphas_cumprod at t."""
    a = alpha.view(-1, 1, 1, 1)
    return a.sqrt() * latents + (1 - a).sqrt() * noise


def prediction_target(
    latents: torch.Tensor, noise: torch.Tensor, alpha: torch.Tensor, prediction_type: PredictionType
) -> torch.Tensor:
    """What the UNet should answer, [B, C, h, w]: the noise, or v = sqrt(a) n - sqrt(1 - a) x_0 (Salimans & Ho 2022, eq. 11)."""
    if prediction_type == "epsilon":
        return noise
    a = alpha.view(-1, 1, 1, 1)
    return a.sqrt() * noise - (1 - a).sqrt() * latents


def loss_weight(alpha: torch.Tensor, prediction_type: PredictionType, loss: LossPart) -> torch.Tensor:
    """How much each sample of the batch counts, [B], by its signal-to-noise ratio a / (1 - a).

    balanced: sqrt(1 / SNR) within 0.3 .. 6. min_snr: Hang et al. 2023, eq. 10 (divided by SNR for noise, SNR + 1 for v).
    debiased: 1 / sqrt(SNR) (Yu et al. 2023), for v 1 / (SNR + 1).
    """
    if loss.weighting == "none":
        return torch.ones_like(alpha)
    snr = (alpha / (1 - alpha)).clamp(1e-4, 1e4)
    if loss.weighting == "balanced":
        return snr.rsqrt().clamp(0.3, 6.0)
    divisor = snr if prediction_type == "epsilon" else snr + 1
    if loss.weighting == "min_snr":
        return snr.clamp(max=loss.snr_gamma) / divisor
    return snr.clamp(max=1000).rsqrt() if prediction_type == "epsilon" else 1 / divisor
