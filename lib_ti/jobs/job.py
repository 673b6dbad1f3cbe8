"""A job in its own thread. A page that is closed does not end it; a page that is opened finds it by `Jobs.current`."""

from __future__ import annotations

import ctypes
import gc
import itertools
import logging
import threading
import traceback
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from lib_ti.control import Control
from lib_ti.errors import Busy, TIError
from lib_ti.events import Emit, Event, Failed, Finished
from lib_ti.jobs.snapshot import Snapshot, fold

Work = Callable[[Emit, Control], object]

_log = logging.getLogger(__name__)
_numbers = itertools.count(1)


class Job:
    """Runs `work` at once; `before` is what the job before it showed. Whatever `work` does, the job ends with exactly one Finished or Failed.

    `error` is what `work` raised, for those who want more of it than the snapshot tells; its traceback is in the log alone.
    However it ends, a job lets go of all that its work held, the model above all, before it is over.
    """

    def __init__(self, name: str, work: Work, before: Snapshot | None = None) -> None:
        self.control = Control()
        self.error: BaseException | None = None
        self._snapshot = Snapshot(job=next(_numbers), name=name, state="planning", before=before)
        self._ending: Finished | Failed | None = None
        # A daemon: closing the program must not hang on a run, whose copies on disk are whole at any moment.
        self._thread = threading.Thread(target=self._run, args=(work,), name=f"job: {name}", daemon=True)
        self._thread.start()

    @property
    def snapshot(self) -> Snapshot:
        """The state of now; any thread may ask."""
        snapshot = self._snapshot
        return replace(snapshot, state="stopping") if snapshot.active and self.control.stopping else snapshot

    @property
    def active(self) -> bool:
        return self._snapshot.active

    def wait(self, timeout: float | None = None) -> bool:
        """True when the job is over, False when `timeout` seconds passed first."""
        self._thread.join(timeout)
        return not self._thread.is_alive()

    def _emit(self, event: Event) -> None:
        """Only the job's thread calls this. The end is held back until the work has returned: work that fails after it
        has said "finished" did not finish."""
        if isinstance(event, (Finished, Failed)):
            self._ending = self._ending or event
        else:
            self._snapshot = fold(self._snapshot, event)

    def _run(self, work: Work) -> None:
        try:
            result = work(self._emit, self.control)
        except TIError as error:
            self.error = error
            text = str(error).removesuffix(error.hint).rstrip()  # str also draws the caret of an InvalidText
            ending: Finished | Failed = Failed(text, error.hint)
        # A thread's last stop: a bug must reach the page and the log, with its traceback.
        except BaseException as error:  # noqa: BLE001
            self.error = error
            _log.exception("The job %r failed unexpectedly", self._snapshot.name)
            ending = Failed(f"{type(error).__name__}: {error}", expected=False, details=traceback.format_exc())
        else:
            path = result if isinstance(result, Path) else None
            ending = self._ending or Finished(self._snapshot.step, path, stopped=self.control.stopping)
        _let_go(self.error)
        self._snapshot = fold(self._snapshot, ending)


def _let_go(error: BaseException | None) -> None:
    """Of what the work held: the error stays, the frames that it passed through do not, nor do those of its causes."""
    errors, seen = [error], set[int]()
    while errors:
        one = errors.pop()
        if one is None or id(one) in seen:
            continue
        seen.add(id(one))
        errors += [one.__cause__, one.__context__]
        traceback.clear_frames(
            one.__traceback__
        )  # a frame may be held by somebody else, such as a log that keeps records
        one.__traceback__ = None
    gc.collect()  # what holds each other, as a run and its session do, is not over when nobody else holds it
    _trim_memory()


def _trim_memory() -> None:
    """What glibc keeps for whoever asks next goes back to the system: a hundred MiB after some dozen runs in one process."""
    with suppress(OSError, AttributeError, TypeError):  # other systems have no such call
        ctypes.CDLL(None).malloc_trim(0)


class Jobs:
    """One job at a time. `current` is the one that runs or, until the next, the one that ran last."""

    def __init__(self) -> None:
        self.current: Job | None = None
        self._lock = threading.Lock()

    @property
    def snapshot(self) -> Snapshot:
        return self.current.snapshot if self.current else Snapshot()

    def check_idle(self) -> None:
        """Raises Busy, which names the job that is running."""
        if self.current and self.current.active:
            raise Busy(
                f"{self.current.snapshot.name} is still running; one job runs at a time.",
                "Wait until it is done, or stop it first.",
            )

    def start(self, name: str, work: Work) -> Job:
        """Raises Busy."""
        with self._lock:
            self.check_idle()
            last = self.snapshot
            self.current = Job(name, work, before=last if last.run_folder else last.before)
            return self.current
