"""What moves an encoder's vectors: a table of optimizers, `OPTIMIZERS`, each with a state that a run can go on from.

A rate is what AdamW moves a single number by at first; a row of D numbers moves by rate x sqrt(D). Every optimizer here counts so,
Prodigy by its own estimate besides.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import torch

from lib_ti.config.train import OptimizerPart

State = Mapping[str, torch.Tensor]
"""All that an optimizer's next step depends on, beside vectors, gradient and rate."""


class Optimizer(Protocol):
    """Moves the rows of one encoder, a leaf [V, D] float32 with its gradient, in place."""

    def step(self, rate: float) -> None: ...

    def state(self) -> dict[str, torch.Tensor]:
        """The tensors themselves, by the names of its `Kind`; empty before the first step."""
        ...


class AdamW:
    """Torch's own (Loshchilov & Hutter 2019)."""

    def __init__(self, vectors: torch.Tensor, optim: OptimizerPart, state: State) -> None:
        self.inner = torch.optim.AdamW(
            [vectors], betas=(optim.beta1, optim.beta2), eps=optim.epsilon, weight_decay=optim.weight_decay
        )
        _load(self.inner, state)

    def step(self, rate: float) -> None:
        self.inner.param_groups[0]["lr"] = rate
        self.inner.step()

    def state(self) -> dict[str, torch.Tensor]:
        return dict(next(iter(self.inner.state.values()), {}))


class Normalised:
    """Each row's gradient is made one long, then averaged over the steps before (`beta1`), and the row moved by that.

    M = beta M + (1 - beta) g / |g|;  v -= rate sqrt(D) M / (1 - beta^k). Normalised before averaging, each picture counts the
    same, however noisy its timestep is; the other way round, the noisiest would drown all others.
    """

    def __init__(self, vectors: torch.Tensor, optim: OptimizerPart, state: State) -> None:
        self._vectors, self._beta, self._decay = vectors, optim.beta1, optim.weight_decay
        self._momentum = state["momentum"].to(vectors).clone() if state else torch.zeros_like(vectors)
        self._steps = int(state["step"]) if state else 0

    @torch.no_grad()
    def step(self, rate: float) -> None:
        vectors, gradient = self._vectors, self._vectors.grad
        if gradient is None:
            return
        self._steps += 1
        # By the largest number first: the square of a tiny one is nothing in float32.
        gradient = gradient / gradient.abs().amax(1, keepdim=True).clamp(min=1e-38)
        self._momentum.lerp_(torch.nn.functional.normalize(gradient, dim=1), 1 - self._beta)
        vectors.mul_(1 - rate * self._decay)
        vectors.sub_(self._momentum, alpha=rate * math.sqrt(vectors.shape[1]) / (1 - self._beta**self._steps))

    def state(self) -> dict[str, torch.Tensor]:
        return {"momentum": self._momentum, "step": torch.tensor(float(self._steps))} if self._steps else {}


class Prodigy:
    """Konstantin Mishchenko's own (Mishchenko & Defazio 2024): Adam that estimates its rate; `rate` multiplies the estimate."""

    _ESTIMATE = ("d", "d_max", "d_numerator", "k")

    def __init__(self, vectors: torch.Tensor, optim: OptimizerPart, state: State) -> None:
        from prodigyopt import Prodigy as Inner  # an optional package

        self._vectors = vectors
        self.inner = Inner([vectors], betas=(optim.beta1, optim.beta2), eps=optim.epsilon)
        _load(self.inner, {key: value for key, value in state.items() if key not in self._ESTIMATE})
        group = self.inner.param_groups[0]
        group["weight_decay"] = optim.weight_decay  # set here, for it prints a line where it is given one
        if state:
            own = self.inner.state[vectors]
            own |= {"step": int(own["step"]), "s": own["s"].flatten(), "p0": own["p0"].flatten()}
            group |= {key: state[key].item() for key in self._ESTIMATE}
            group["k"] = int(group["k"])

    def step(self, rate: float) -> None:
        self.inner.param_groups[0]["lr"] = rate
        self.inner.step()

    def state(self) -> dict[str, torch.Tensor]:
        own = dict(next(iter(self.inner.state.values()), {}))
        if not own:
            return {}
        shape, group = self._vectors.shape, self.inner.param_groups[0]
        own["s"] = own["s"].view(shape)
        own["p0"] = own["p0"].expand(math.prod(shape)).view(shape)  # of vectors that were all zeros it keeps one zero
        own["step"] = torch.tensor(float(own["step"]))
        return own | {key: torch.tensor(float(group[key]), dtype=torch.float64) for key in self._ESTIMATE}


def _load(inner: torch.optim.Optimizer, state: State) -> None:
    if state:
        copied = {key: value.clone() for key, value in state.items()}
        inner.load_state_dict({**inner.state_dict(), "state": {0: copied}})


@dataclass(frozen=True)
class Kind:
    """How an optimizer is made, and what its state is, so that a file of it can be read without belief.

    `format` counts up when the same names come to mean something else. `rows` are [V, D], `numbers` a single one each; those of
    `positive` are never below zero.
    """

    build: Callable[[torch.Tensor, OptimizerPart, State], Optimizer]
    format: int
    rows: tuple[str, ...]
    numbers: tuple[str, ...]
    positive: tuple[str, ...]


OPTIMIZERS: Mapping[str, Kind] = {
    "adamw": Kind(AdamW, 1, ("exp_avg", "exp_avg_sq"), ("step",), ("exp_avg_sq", "step")),
    "normalised": Kind(Normalised, 1, ("momentum",), ("step",), ("step",)),
    "prodigy": Kind(
        Prodigy,
        1,
        ("exp_avg", "exp_avg_sq", "s", "p0"),
        ("step", "d", "d_max", "d_numerator", "k"),
        ("exp_avg_sq", "step", "d", "d_max", "k"),
    ),
}


def rate_of_numbers(rate: float, relative: bool, word_length: float, width: int) -> float:
    """What a schedule's rate moves a single number of [V, `width`] by: itself; or, `relative`, as much as moves a row by that share
    of `word_length`, the length of the encoder's words."""
    return rate * word_length / math.sqrt(width) if relative else rate


def cap_rows(vectors: torch.Tensor, longest: float) -> None:
    """Shorten, in place, the rows of [V, D] that are longer than `longest`."""
    with torch.no_grad():
        vectors.mul_((longest / vectors.norm(dim=1, keepdim=True).clamp(min=1e-30)).clamp(max=1.0))


def step_state(optimizer: Any) -> Mapping[str, Any]:
    """AdamW's own `state_dict()`, as A1111's `.optim` has it."""
    return optimizer.inner.state_dict()  # type: ignore[no-any-return]
