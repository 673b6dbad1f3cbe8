"""The noise schedule that all Stable Diffusion models share, as training and sampling both see it."""

import torch
from torch import Tensor

STEPS = 1000
_LAST = 2.0**-24  # stands for zero in zero-terminal SNR: samplers divide by it


def build_alphas_cumprod(zero_terminal_snr: bool = False) -> Tensor:
    """[1000] float32: the share of the picture's variance left at each timestep; betas rise with the square of a line."""
    betas = torch.linspace(0.00085**0.5, 0.012**0.5, STEPS, dtype=torch.float64) ** 2
    alphas_cumprod = (1 - betas).cumprod(0)
    if zero_terminal_snr:
        alphas_cumprod = rescale_to_zero_snr(alphas_cumprod)
    return alphas_cumprod.float()


def rescale_to_zero_snr(alphas_cumprod: Tensor) -> Tensor:
    """Shift and scale sqrt(alphas_cumprod) so that it ends at (nearly) 0 and starts as before: arXiv 2305.08891, algorithm 1."""
    root = alphas_cumprod.sqrt()
    root = (root - root[-1]) * root[0] / (root[0] - root[-1])
    rescaled = root.square()
    rescaled[-1] = _LAST
    return rescaled


def betas_of(alphas_cumprod: Tensor) -> Tensor:
    """The betas whose running product gives back `alphas_cumprod`."""
    before = torch.cat([alphas_cumprod.new_ones(1), alphas_cumprod[:-1]])
    return 1 - alphas_cumprod / before
