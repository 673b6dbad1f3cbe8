"""The WebUI's settings."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any


@contextmanager
def options_set(**values: Any) -> Iterator[None]:
    """Settings have `values` meanwhile, but for what the user changes meanwhile, which stays.

    Past the setters, which would act on a change, and refuse one where settings are frozen.
    """
    from modules import shared

    data = shared.opts.data
    kept = {name: data[name] for name in values if name in data}
    data.update(values)
    try:
        yield
    finally:
        for name in [name for name, value in values.items() if data.get(name) is value]:
            if name in kept:
                data[name] = kept[name]
            else:
                del data[name]
