"""What a run changes: the vectors, and the optimizer that moves them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch

from lib_ti.config.train import OptimizerPart
from lib_ti.errors import TrainingFailed
from lib_ti.training.state import Moments, RunState


class Trainee:
    """`vectors`: leaf tensors [V, D] float32 by encoder, the only ones that learn. `step` counts updates over all runs."""

    def __init__(self, state: RunState, optim: OptimizerPart, device: torch.device) -> None:
        self.step = state.step
        self.samples = state.samples
        self.vectors = {name: value.to(device).clone().requires_grad_() for name, value in state.vectors.items()}
        self._optimizer = torch.optim.AdamW(
            # AdamW knows its moments by number, and a file may give the vectors in another order: ours is by name.
            [self.vectors[name] for name in sorted(self.vectors)],
            betas=(optim.beta1, optim.beta2),
            eps=optim.epsilon,
            weight_decay=optim.weight_decay,
        )
        if state.moments:
            moments = {i: {key: value.clone() for key, value in one.items()} for i, one in state.moments.items()}
            self._optimizer.load_state_dict({**self._optimizer.state_dict(), "state": moments})

    def zero_gradient(self) -> None:
        self._optimizer.zero_grad(set_to_none=True)

    def update(self, rate: float, clip: str, limit: float, images: int) -> None:
        """Clip the (unscaled) gradient and take one AdamW step; `images` went into it."""
        if clip == "value":
            torch.nn.utils.clip_grad_value_(list(self.vectors.values()), limit)
        elif clip == "norm":
            for vector in self.vectors.values():
                torch.nn.utils.clip_grad_norm_([vector], limit)
        for group in self._optimizer.param_groups:
            group["lr"] = rate
        self._optimizer.step()
        self.step += 1
        self.samples += images

    def prove_finite(self, loss: float) -> None:
        """Raise TrainingFailed, before anything has changed, when the update would spoil the vectors."""
        spoiled = [name for name, vector in self.vectors.items() if not bool(torch.isfinite(_gradient(vector)).all())]
        if loss != loss or abs(loss) == float("inf"):
            raise TrainingFailed(
                f"The loss became {loss} at update {self.step + 1}.",
                "The vectors before it are saved. The usual causes: a learning rate that is too high, or a model that overflows "
                "in half precision (SD2.1 does): try a tenth of the rate, or run in full precision.",
            )
        if spoiled:
            raise TrainingFailed(
                f"The gradient of {' and '.join(spoiled)} is not finite at update {self.step + 1} (the loss is {loss:.4g}).",
                "The vectors before it are saved. Half precision overflowed: run in full precision or bfloat16.",
            )

    def norms(self) -> dict[str, float]:
        """Mean L2 length of the rows, by encoder."""
        return {name: float(vector.detach().norm(dim=1).mean()) for name, vector in self.vectors.items()}

    def moments(self) -> Moments:
        return self.optimizer_state()["state"]  # type: ignore[no-any-return]

    def optimizer_state(self) -> Mapping[str, Any]:
        return self._optimizer.state_dict()

    def plain_vectors(self) -> dict[str, torch.Tensor]:
        """Copies without gradient, [V, D] float32 on the CPU, for files."""
        return {name: vector.detach().to("cpu", copy=True) for name, vector in self.vectors.items()}


def _gradient(vector: torch.Tensor) -> torch.Tensor:
    return vector.grad if vector.grad is not None else torch.zeros_like(vector)
