"""A run in a terminal: its events as text for people or as JSON lines for programs, and Ctrl-C as a wish."""

import json
import math
import os
import signal
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict
from types import FrameType
from typing import Any, TextIO

from tqdm import tqdm

from lib_ti.control import Control
from lib_ti.errors import UNSEEN, visible
from lib_ti.events import (
    Event,
    Failed,
    Finished,
    Judged,
    Measured,
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
            case Measured():
                on = "pictures held out" if event.held_out else "fixed samples"
                best = "the best so far" if event.best_step == event.step else f"best at step {event.best_step}"
                self._say(f"Measured at step {event.step}: {event.loss:.4f} on {on}, score {event.score:.4f}, {best}")
            case Judged():
                self._say(f"{event.kind.capitalize()}: {event.reason}. {event.hint}")
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
        tqdm.write(visible(text), file=self._out)
        self._out.flush()

    def _status(self, event: Status) -> None:
        """On a terminal a line that the next one replaces; elsewhere a line for each thing begun, not for its progress."""
        if not self._bar_stream.isatty():
            if event.fraction is None:
                self._say(event.text)
        elif self._bar is None:
            self._wipe_status()
            self._bar_stream.write(visible(event.text))
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
        print(json_line(event_values(event)), file=self._out, flush=True)

    def close(self) -> None:
        pass


def event_values(event: Event) -> dict[str, Any]:
    """The event's fields as JSON knows them: paths as text, numbers that are not finite as null."""
    return {"event": type(event).__name__, **_plain(asdict(event))}


def json_line(value: Any) -> str:
    """One line. What is no number becomes null, and signs that a terminal would obey are escaped: programs get them as they are."""
    text = json.dumps(_plain(value), ensure_ascii=False, allow_nan=False)
    return UNSEEN.sub(lambda sign: f"\\u{ord(sign[0]):04x}", text)


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {str(key): _plain(inner) for key, inner in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(inner) for inner in value]
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    return value if isinstance(value, (str, int, bool)) or value is None else str(value)


STOPPED = 130
"""The exit code of what the user has stopped."""
_NAMES = ("SIGINT", "SIGTERM", "SIGHUP", "SIGBREAK")
"""Ctrl-C, the system's wish, a closed terminal; the last one is Windows' for a closed window, which has no SIGHUP."""


@contextmanager
def on_signals(first: Callable[[], None]) -> Iterator[None]:
    """The first signal to end calls `first`; a second one raises KeyboardInterrupt, but for SIGHUP: a terminal that is closed may
    send it more than once. What was ignored before stays so, as after `nohup`."""
    begun = pressed = False

    def on_signal(number: int, frame: FrameType | None) -> None:
        nonlocal begun, pressed
        if number != getattr(signal, "SIGHUP", None):
            if pressed:
                raise KeyboardInterrupt
            pressed = True
        if not begun:
            begun = True
            first()

    with _handling(on_signal):
        yield


@contextmanager
def ending_as_by_ctrl_c() -> Iterator[None]:
    """A signal to end raises KeyboardInterrupt, so that no half-written file is left behind."""

    def on_signal(number: int, frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    with _handling(on_signal):
        yield


@contextmanager
def _handling(handler: Callable[[int, FrameType | None], None]) -> Iterator[None]:
    numbers = [getattr(signal, name) for name in _NAMES if hasattr(signal, name)]
    heard = threading.current_thread() is threading.main_thread()  # Python lets no other thread listen
    wanted = [number for number in numbers if heard and signal.getsignal(number) != signal.SIG_IGN]
    before = {number: signal.signal(number, handler) for number in wanted}
    try:
        yield
    finally:
        for number, old in before.items():
            signal.signal(number, old)


@contextmanager
def stopping_gently(control: Control, after: str = "this update, then saving") -> Iterator[None]:
    """The first Ctrl-C, or signal to end, lets the run save and end; a second one aborts it where it is."""

    def stop() -> None:
        control.stop()
        say(f"Stopping after {after}. Once more to abort.")

    with on_signals(stop):
        yield


def tell(text: str, stream: TextIO | None = None) -> None:
    """A line, or several, for people: every command prints by this, for names of files may hold anything."""
    print(visible(text), file=stream, flush=True)


def say(text: str) -> None:
    """On standard error, past Python's buffers: a signal may come in the middle of a print. The terminal may be gone."""
    with suppress(OSError):
        os.write(2, f"\n{visible(text)}\n".encode())


class Outlasting:
    """Hands a run's events on to a listener that prints them. Where nobody reads that any more, as after `| head` or in a closed
    terminal, the run is stopped, which saves; it does not die of it."""

    def __init__(self, listener: Callable[[Event], None], control: Control) -> None:
        self._listener, self._control = listener, control

    def __call__(self, event: Event) -> None:
        try:
            self._listener(event)
        except OSError as error:  # of printing, since nothing else is done there
            if not self._control.stopping:
                self._control.stop()
                say(f"The output cannot be written ({error.strerror}): stopping after this update, then saving.")
            silence()


def silence() -> None:
    """Python flushes both streams at its end, and would complain of what is in them still."""
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError, ValueError):
            try:
                stream.flush()
            except OSError:
                os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
