"""The two things that both of the demo's training loops share."""

from collections.abc import Sequence

import torch
from torch import Tensor


def learning_rate(peak: float, step: int, steps: int, warm_up: int, flat: float) -> float:
    """Linear warm-up, then `peak` for the fraction `flat` of all steps, then linear down to a hundredth."""
    done = step / steps
    return peak * min(1.0, (step + 1) / warm_up) * min(1.0, max(0.01, (1 - done) / (1 - flat)))


class Averaged:
    """An exponential moving average of parameters, short-sighted at first so that it forgets the start."""

    def __init__(self, parameters: Sequence[Tensor], decay: float) -> None:
        self.parameters = parameters
        self.decay = decay
        self.updates = 0
        self.average = [p.detach().clone() for p in parameters]

    @torch.no_grad()
    def update(self) -> None:
        self.updates += 1
        decay = min(self.decay, self.updates / (self.updates + 9))
        torch._foreach_lerp_(self.average, [p.detach() for p in self.parameters], 1 - decay)

    @torch.no_grad()
    def install(self) -> None:
        """Puts the averages in place of the parameters."""
        for parameter, average in zip(self.parameters, self.average, strict=True):
            parameter.copy_(average)
