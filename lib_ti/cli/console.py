"""A run in a terminal: its events as text for people or as JSON lines for programs, and Ctrl-C as a wish."""

import json
import math
import os
import signal
import sys
import time
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from types import FrameType
from typing import Any, TextIO

from tqdm import tqdm

from lib_ti.control import Control
from lib_ti.events import (
    Event,
    Failed,
    Finished,
    Paused,
    Planned,
    PreviewReady,
    Resumed,
    Saved,
    Status,
    StepDone,
    Warned,
)

QUIET_SECONDS = 10.0
"""Between two lines of progress where there is no terminal to draw a bar on."""


class Console:
    """Listens to a run: the plan, a bar with loss, rate and time left, and a line for all that was made."""

    def __init__(self, out: TextIO | None = None, bar: TextIO | None = None) -> None:
        self._out = out or sys.stdout
        self._bar_stream = bar or sys.stderr
        self._bar: tqdm[Any] | None = None
        self._losses: deque[float] = deque(maxlen=50)
        self._spoke = self._started = 0.0
        self._first_step = 0
        self._status_width = 0
        self.finished: Finished | None = None

    def __call__(self, event: Event) -> None:
        match event:
            case Status():
                self._status(event)
            case Planned():
                self._first_step = event.first_step
                self._say("\n".join(event.lines))
            case StepDone():
                self._step(event)
            case PreviewReady():
                self._say(f"Preview at step {event.step}: {event.path}")
            case Saved():
                self._say(f"Saved {event.kind}, step {event.step}: {event.path}")
            case Warned():
                self._say(f"Warning: {event.text}")
            case Paused():
                self._say(f"Paused at step {event.step}. {event.reason}".rstrip())
            case Resumed():
                self._say(f"Going on from step {event.step}.")
            case Finished():
                self.close()
                self.finished = event
                done = "Stopped" if event.stopped else "Finished"
                self._say(f"{done} at step {event.step}: {event.path or 'nothing was saved'}")
            case Failed():
                self.close()

    def close(self) -> None:
        if self._bar is not None:
            self._bar.close()
            self._bar = None

    def _say(self, text: str) -> None:
        self._wipe_status()
        tqdm.write(text, file=self._out)
        self._out.flush()

    def _status(self, event: Status) -> None:
        """On a terminal a line that the next one replaces; elsewhere a line for each thing begun, not for its progress."""
        if not self._bar_stream.isatty():
            if event.fraction is None:
                self._say(event.text)
        elif self._bar is None:
            self._wipe_status()
            self._bar_stream.write(event.text)
            self._bar_stream.flush()
            self._status_width = len(event.text)

    def _wipe_status(self) -> None:
        if self._status_width:
            self._bar_stream.write("\r" + " " * self._status_width + "\r")
            self._status_width = 0

    def _step(self, event: StepDone) -> None:
        self._losses.append(event.loss)
        if self._bar is None:
            self._wipe_status()
            self._spoke = self._started = time.monotonic()
            self._bar = tqdm(
                total=event.last_step,
                initial=event.step - 1,
                unit="step",
                file=self._bar_stream,
                dynamic_ncols=True,
                disable=not self._bar_stream.isatty(),
            )
        figures = {"loss": f"{sum(self._losses) / len(self._losses):.4f}", "rate": f"{event.rate:g}"}
        self._bar.set_postfix(figures, refresh=False)
        self._bar.update()
        if self._bar.disable and (event.step == event.last_step or time.monotonic() - self._spoke >= QUIET_SECONDS):
            self._spoke = time.monotonic()
            left = tqdm.format_interval(self._seconds_left(event))
            text = "  ".join(f"{name} {figure}" for name, figure in figures.items())
            self._say(f"step {event.step}/{event.last_step}  {text}  {left} left")

    def _seconds_left(self, event: StepDone) -> float:
        done = max(1, event.step - self._first_step)
        return (time.monotonic() - self._started) / done * (event.last_step - event.step)


class JsonLines:
    """Listens to a run: each event as one line of JSON."""

    def __init__(self, out: TextIO | None = None) -> None:
        self._out = out or sys.stdout
        self.finished: Finished | None = None

    def __call__(self, event: Event) -> None:
        if isinstance(event, Finished):
            self.finished = event
        print(json.dumps(event_values(event), ensure_ascii=False), file=self._out, flush=True)

    def close(self) -> None:
        pass


def event_values(event: Event) -> dict[str, Any]:
    """The event's fields as JSON knows them: paths as text, numbers that are not finite as null."""
    return {"event": type(event).__name__, **_plain(asdict(event))}


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {str(key): _plain(inner) for key, inner in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(inner) for inner in value]
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    return value if isinstance(value, (str, int, bool)) or value is None else str(value)


_SIGNALS = (signal.SIGINT, signal.SIGTERM)


@contextmanager
def stopping_gently(control: Control) -> Iterator[None]:
    """The first Ctrl-C lets the run save and end, a second one aborts it where it is."""

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
