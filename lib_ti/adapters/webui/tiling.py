"""What the last picture leaves behind in the model: borderless convolutions, and attention in tiles."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

from torch import nn

from lib_ti.adapters.restore import attributes_set

_PARAMS = "__webui_hypertile_params"


@contextmanager
def without_tiling(sd_model: Any) -> Iterator[None]:
    from modules import processing

    if hasattr(sd_model, "tiling_enabled"):  # the Forge family
        switch, tiling = partial(processing.apply_circular_forge, sd_model), sd_model.tiling_enabled
    else:
        from modules.sd_hijack import model_hijack

        switch, tiling = model_hijack.apply_circular, model_hijack.circular_enabled
    switch(False)
    try:
        yield
    finally:
        switch(tiling)


@contextmanager
def without_hypertile(network: nn.Module) -> Iterator[None]:
    """A1111's Hypertile cuts attention into tiles of the last picture's shape and of chance sizes."""
    params = [vars(module)[_PARAMS] for module in network.modules() if _PARAMS in vars(module)]
    with attributes_set(params, enabled=False):
        yield
