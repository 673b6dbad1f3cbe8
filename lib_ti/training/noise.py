"""How noisy one picture's gradient is, and how much longer a run is for it.

Each step of the normalised optimizer is as long as any other, whatever it learns from. So its recipe depends on how much of one
gradient is signal, and that has been measured on small models only: `USUAL`. On a model whose gradients are far noisier, more steps
and a longer memory average more of them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from math import ceil

import torch

from lib_ti.config.train import LossPart, TrainConfig
from lib_ti.host import TrainingSession, Vectors
from lib_ti.training.update import Sample, accumulate_gradient

SAMPLES = 64
USUAL = (0.08, 0.34)
"""Signal to noise where the recipe was measured, at the least and at the most: five things in each demo model."""
MOST = 8.0
"""Times as many steps."""
LONG_MEMORY = 0.95


def signal_to_noise(gradients: torch.Tensor) -> float:
    """|E g|^2 / E |g - E g|^2 of gradients [N, numbers], without bias: |sum g|^2 holds the noise of each once, which is taken out.

    Zero where no signal can be told from the noise.
    """
    count = len(gradients)
    own = gradients.square().sum(1)
    signal = float((gradients.sum(0).square().sum() - own.sum()) / (count * (count - 1)))
    noise = float(own.mean()) - signal
    return max(signal, 0.0) / noise if noise > 0 else float("inf")


def picture_gradients(
    session: TrainingSession,
    vectors: Vectors,
    samples: Sequence[Sample],
    loss: LossPart,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> torch.Tensor:
    """The gradient of each sample alone, [N, numbers] float32: of all vectors that learn, each row as long as the others', as the
    normalised optimizer sees it. `vectors` are left without a gradient."""
    found = []
    for done, sample in enumerate(samples):
        progress(done, len(samples))
        leaves = {
            name: {
                encoder: value.detach().clone().requires_grad_(value.requires_grad) for encoder, value in one.items()
            }
            for name, one in vectors.items()
        }
        accumulate_gradient(session, leaves, [sample], 1, loss)
        rows = [value.grad for one in leaves.values() for value in one.values() if value.grad is not None]
        found.append(torch.cat([torch.nn.functional.normalize(row, dim=1).flatten() for row in rows]).cpu())
    return torch.stack(found)


def stretch_for(ratio: float) -> float:
    """How many times as many steps a run with this signal-to-noise ratio is to have: 1 unless it is far below the usual."""
    return 1.0 if ratio >= USUAL[0] / 2 else min(MOST, USUAL[0] / max(ratio, 1e-9))


def stretched(config: TrainConfig, factor: float) -> TrainConfig:
    """With every stage and the end `factor` times as far, and a longer memory."""
    if factor == 1:
        return config
    optim, schedule = config.optim, config.schedule.stretched(factor)
    steps = ceil(optim.steps * factor)
    longer = replace(optim, lr=schedule.text, steps=steps, beta1=max(optim.beta1, LONG_MEMORY))
    return replace(config, optim=longer)
