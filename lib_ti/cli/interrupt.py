"""Ctrl-C as a wish: the first one lets a run save and end, a second one aborts it where it is."""

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from lib_ti.control import Control

_SIGNALS = (signal.SIGINT, signal.SIGTERM)


@contextmanager
def stopping_gently(control: Control) -> Iterator[None]:
    def on_signal(number: int, frame: FrameType | None) -> None:
        if control.stopping:
            raise KeyboardInterrupt
        control.stop()
        # Written past Python's buffers: a signal may come in the middle of a print.
        os.write(2, b"\nStopping after this update, then saving. Once more to abort.\n")

    before = {number: signal.signal(number, on_signal) for number in _SIGNALS}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
