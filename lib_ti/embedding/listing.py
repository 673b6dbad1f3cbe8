"""A folder's list, kept for as long as it surely holds: an expression is checked, and a list filtered, at every keystroke."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path

from lib_ti.embedding.header_cache import FILE, HeaderCache
from lib_ti.embedding.library import Entry, Listing, modified, read_listing

SECONDS = 30.0
"""After this a list is made anew: a file that was rewritten in its place changes no folder's time."""
_CLOCK_NS = 2_000_000_000
"""The coarsest clock of a file system (FAT). A folder that changed this lately may have changed again within the same tick."""


@dataclass(frozen=True, eq=False)
class _Kept:
    folder: Path
    besides: Path
    listing: Listing
    began: float
    settled: bool

    def holds(self, folder: Path, besides: Path) -> bool:
        return (
            self.settled
            and (self.folder, self.besides) == (folder, besides)
            and time.monotonic() - self.began < SECONDS
            and all(modified(place) == when for place, when in self.listing.places.items())
        )


class Library:
    """Lists of folders; headers are read once and remembered among the logs."""

    def __init__(self) -> None:
        self._logs: Path | None = None
        self._headers = HeaderCache()
        self._kept: _Kept | None = None

    def entries(self, folder: Path, logs: Path, quick: bool = False) -> list[Entry]:
        """`quick` gives the same list object as last time where no folder in it has changed since. What lies under `logs` is
        passed over."""
        kept = self._kept  # another thread may put its own in place meanwhile
        if quick and kept and kept.holds(folder, logs):
            return kept.listing.entries
        if self._logs != logs:
            self._logs, self._headers = logs, HeaderCache(logs / FILE)
        began, now = time.monotonic(), time.time_ns()
        listing = read_listing(folder, logs, self._headers)
        settled = max(listing.places.values()) < now - _CLOCK_NS
        self._kept = _Kept(folder, logs, listing, began, settled)
        return listing.entries
