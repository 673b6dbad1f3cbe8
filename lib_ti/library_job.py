"""A library remade for the loaded model, in a job that can be watched and stopped."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from lib_ti.config.embeddings import RemakeConfig
from lib_ti.control import Control
from lib_ti.events import Emit, Finished, Status
from lib_ti.jobs.job import Job, Jobs

if TYPE_CHECKING:
    from collections.abc import Generator

    from lib_ti.host import Host
    from lib_ti.library.listing import Entry
    from lib_ti.remake import RemakeResult

    List = Callable[..., Sequence[Entry]]
    Remake = Callable[[Sequence[Path], RemakeConfig], Generator[RemakeResult, None, None]]


@dataclass(frozen=True)
class Progress:
    """What became of those that are `done`, of `total` files, in `seconds`."""

    total: int = 0
    done: tuple[RemakeResult, ...] = ()
    seconds: float = 0.0

    @property
    def seconds_left(self) -> float | None:
        return self.seconds / len(self.done) * (self.total - len(self.done)) if self.done else None


class LibraryJob:
    """`library` and `remake` are the App's. `jobs` are apart from training: as with merges, neither waits for the other."""

    def __init__(self, host: Host, library: List, remake: Remake) -> None:
        self._host, self._library, self._remake = host, library, remake
        self.jobs = Jobs()
        self.progress = Progress()

    def start(self, config: RemakeConfig, typed: str = "", admit: Callable[[Path], bool] = lambda _: True) -> Job:
        """Remake all files of the library that hold the words `typed`, that `admit` lets pass and that are not of the loaded
        model. Raises Busy while another one runs."""

        def find() -> list[Path]:
            model = self._host.model()  # loaded now, where it is not yet
            entries = [entry for entry in self._library(typed=typed) if entry.header and admit(entry.path)]
            return [entry.path for entry in entries if entry.match(model) != "this"]

        return self.jobs.start("Make again", lambda emit, control: self._work(find, config, emit, control))

    def _work(self, find: Callable[[], list[Path]], config: RemakeConfig, emit: Emit, control: Control) -> None:
        self.progress = Progress()
        paths, began = find(), time.monotonic()
        self.progress = Progress(len(paths))
        with closing(self._remake(paths, config)) as results:
            while not control.stopping and (one := next(results, None)):
                done = (*self.progress.done, one)
                self.progress = replace(self.progress, done=done, seconds=time.monotonic() - began)
                emit(Status(one.path.stem, len(done) / len(paths)))
        done = self.progress.done
        emit(Finished(len(done), None, stopped=len(done) < len(paths)))
