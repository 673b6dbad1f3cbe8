"""Leave the process as it was found."""

from __future__ import annotations

import random
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from torch import nn


@contextmanager
def random_state_kept(device: torch.device) -> Iterator[None]:
    """Python's, numpy's and torch's global random state, and torch's default dtype, are the same after as before."""
    python, numpy, dtype = random.getstate(), np.random.get_state(), torch.get_default_dtype()
    devices = [device] if device.type == "cuda" else []
    apple = torch.mps.get_rng_state() if device.type == "mps" else None  # which `fork_rng` cannot keep
    try:
        with torch.random.fork_rng(devices=devices):
            yield
    finally:
        if apple is not None:
            torch.mps.set_rng_state(apple)
        random.setstate(python)
        np.random.set_state(numpy)
        torch.set_default_dtype(dtype)


@contextmanager
def modules_kept(modules: Iterable[nn.Module]) -> Iterator[None]:
    """Modes and `requires_grad` are put back, and gradients that were left on weights are dropped.

    By the weights' places: a WebUI may put others there meanwhile.
    """
    every = [module for root in modules for module in root.modules()]
    modes = [(module, module.training) for module in every]
    flags = [
        (module, name, weight.requires_grad)
        for module in every
        for name, weight in module._parameters.items()
        if weight is not None
    ]
    try:
        yield
    finally:
        for module, training in modes:
            module.training = training
        for module, name, flag in flags:
            weight = module._parameters.get(name)
            if weight is not None:
                weight.requires_grad_(flag)
                weight.grad = None


@contextmanager
def attributes_set(owners: Iterable[Any], **values: Any) -> Iterator[None]:
    """Instance attributes of `owners` have `values` meanwhile; those they did not have are gone again afterwards."""
    kept = [(owner, name, vars(owner).get(name, _ABSENT)) for owner in owners for name in values]
    for owner, name, _ in kept:
        setattr(owner, name, values[name])
    try:
        yield
    finally:
        for owner, name, value in kept:
            if value is _ABSENT:
                delattr(owner, name)
            else:
                setattr(owner, name, value)


_ABSENT = object()
