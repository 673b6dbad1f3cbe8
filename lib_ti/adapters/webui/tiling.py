"""Borderless convolutions, which a tiling picture leaves behind in the model."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any


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
