"""All embeddings of a folder, by their headers alone: no numbers are read, and a broken file is an entry with its reason.

A list is kept for as long as it surely holds: an expression is checked, and a list filtered, at every keystroke. Expressions
name what is in it: `FolderEmbeddings` loads only what is used.
"""

from __future__ import annotations

import os
import stat
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timezone
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from lib_ti.embedding.fit import FAMILY_TITLES, is_of_model, match_encoders
from lib_ti.embedding.name import HOST_SUFFIXES
from lib_ti.embedding.recipe import describe_recipe, remake_obstacle
from lib_ti.errors import InvalidEmbedding, visible
from lib_ti.formats.files import Header, load_embedding
from lib_ti.host import ModelInfo
from lib_ti.library.header_cache import FILE, HeaderCache

if TYPE_CHECKING:
    from lib_ti.embedding.embedding import Embedding


_PICTURES = (".png", ".jpg", ".jpeg", ".webp")
_LOSSES = "textual_inversion_loss.csv"  # only the folder of a run holds one, ours and A1111's alike
_HEADERS = HeaderCache()
Match = Literal["this", "other", "unknown", "misfit"]
"""Made on this model, on another one of its family, on nobody knows which, or for models that are built otherwise."""


@dataclass(frozen=True)
class Entry:
    """One file of `folder`. `header` is None and `fault` says why where it cannot be read. `date` is when the embedding was
    made, else when its file was changed (ISO 8601); `namesakes` are all files that prompts would call by this name."""

    path: Path
    folder: Path
    date: str
    header: Header | None
    fault: str = ""
    thumbnail: Path | None = None
    namesakes: tuple[Path, ...] = ()

    @property
    def file(self) -> str:
        """Where it lies in the folder, with forward slashes on every system."""
        return self.path.relative_to(self.folder).as_posix()

    @property
    def name(self) -> str:
        return self.header.name if self.header else visible(self.path.stem).replace("\n", "?")

    @property
    def family(self) -> str:
        """The family's title, or the widths where the file does not tell it."""
        if self.header is None:
            return ""
        if self.header.family:
            return FAMILY_TITLES[self.header.family]
        return " + ".join(f"width {width}" for width in self.header.widths.values())

    @cached_property
    def recipe(self) -> str:
        """How it was made, in a few words."""
        return describe_recipe(self.header.recipe) if self.header else ""

    @property
    def remake_obstacle(self) -> str:
        """Why it cannot be made again for another model; "" where it can."""
        return remake_obstacle(self.header.recipe) if self.header else self.fault

    @cached_property
    def words(self) -> str:
        """All that a search looks through."""
        header = self.header
        model = f"{header.model_name} {header.model_hash} {header.layout}" if header else ""
        return f"{self.name} {self.file} {self.family} {model} {self.recipe} {self.fault}".casefold()

    @property
    def shadows(self) -> list[Path]:
        """The other files of its name, of which prompts use only one."""
        return [path for path in self.namesakes if path != self.path]

    def match(self, model: ModelInfo) -> Match:
        header = self.header
        if header is None:
            return "misfit"
        try:
            match_encoders(header.name, header.family, header.widths, model)
        except InvalidEmbedding:
            return "misfit"
        same = is_of_model(header.model_hash, header.model_name, model)
        return "unknown" if same is None else "this" if same else "other"


def list_library(folder: Path, besides: Path | None = None) -> list[Entry]:
    """Every embedding under `folder`, by name; copies of runs, under `besides` and in any run's folder, are passed over.

    A file is read anew only when its time or size has changed. Empty where there is no such folder.
    """
    return read_listing(folder, besides, _HEADERS).entries


@dataclass(frozen=True, eq=False)
class Listing:
    """`places` are the folders that were walked, with the time of their last change as it was before; 0 where there is none."""

    entries: list[Entry]
    places: Mapping[Path, int]


def read_entry(path: Path) -> Entry:
    """One file by itself. Where it is gone, that is its fault."""
    entry = _entry(path.parent, path, {}, _HEADERS)
    return entry or Entry(path, path.parent, "", None, "There is no such file.")


def read_listing(folder: Path, besides: Path | None, headers: HeaderCache) -> Listing:
    places = {folder: modified(folder)}
    found = sorted(
        _find(folder, besides, headers, places),
        key=lambda entry: (entry.name.lower(), len(entry.path.parts), entry.path),
    )
    headers.save()
    return Listing(_with_namesakes(found), places)


def modified(folder: Path) -> int:
    """Nanoseconds; a folder changes when something in it is made, renamed or deleted. 0 where there is none."""
    try:
        return folder.stat().st_mtime_ns
    except OSError:
        return 0


def _with_namesakes(found: Sequence[Entry]) -> list[Entry]:
    same: dict[str, list[Path]] = {}
    for entry in found:
        if entry.header:
            same.setdefault(entry.name.lower(), []).append(entry.path)
    namesakes = {name: tuple(paths) for name, paths in same.items() if len(paths) > 1}
    return [
        replace(entry, namesakes=namesakes[name])
        if entry.header and (name := entry.name.lower()) in namesakes
        else entry
        for entry in found
    ]


def filter_entries(entries: Iterable[Entry], typed: str) -> list[Entry]:
    """Those that hold every word of `typed` somewhere: name, folder, family, model, recipe, layout or fault."""
    words = typed.casefold().split()
    return [entry for entry in entries if all(word in entry.words for word in words)]


def walk_library(folder: Path, besides: Path | None = None) -> Iterator[tuple[Path, list[str], list[str]]]:
    """As os.walk, through links too: each folder, the folders in it and the files; copies of runs are passed over."""
    seen: set[tuple[int, int]] = set()
    if besides and besides.is_dir() and folder.is_dir():
        seen = {_identity(besides)} - {_identity(folder)}
    for place, folders, names in os.walk(folder, followlinks=True):
        here = Path(place)
        try:
            identity = _identity(here)
        except OSError:  # it went away meanwhile
            folders.clear()
            continue
        if identity in seen or _LOSSES in names:  # a link can lead round in a circle
            folders.clear()
            continue
        seen.add(identity)
        yield here, folders, names


def _find(folder: Path, besides: Path | None, headers: HeaderCache, places: dict[Path, int]) -> Iterator[Entry]:
    for here, folders, names in walk_library(folder, besides):
        places |= {here / name: modified(here / name) for name in folders}
        pictures = {name.lower(): name for name in names if name.lower().endswith(_PICTURES)}
        for name in _embeddings(names):
            entry = _entry(folder, here / name, pictures, headers)
            if entry:
                yield entry


def _identity(folder: Path) -> tuple[int, int]:
    """The same by whatever path, link or spelling the folder is reached."""
    status = folder.stat()
    return status.st_dev, status.st_ino


def _embeddings(names: Iterable[str]) -> list[str]:
    """Those that are embeddings by their endings. A picture beside an embedding of its name is that one's thumbnail."""
    files = [name for name in names if name.lower().endswith(HOST_SUFFIXES) and not _stem(name).endswith(".preview")]
    stems = {_stem(name) for name in files if not name.lower().endswith(_PICTURES)}
    return [name for name in files if not name.lower().endswith(_PICTURES) or _stem(name) not in stems]


def _stem(name: str) -> str:
    return name.lower().rpartition(".")[0]


def _entry(folder: Path, path: Path, pictures: Mapping[str, str], headers: HeaderCache) -> Entry | None:
    """None where the file went away meanwhile, or is none: a pipe, a socket."""
    try:
        status = path.stat()
    except OSError:
        return None
    if not stat.S_ISREG(status.st_mode):
        return None
    found = headers.header(path, status.st_mtime_ns, status.st_size)
    header, fault = (found, "") if isinstance(found, Header) else (None, found)
    made = header.created if header else ""
    return Entry(path, folder, made or _date(status.st_mtime), header, fault, _find_thumbnail(path, pictures))


def _date(seconds: float) -> str:
    """ISO 8601; "" for a time that no calendar has, as a damaged disk or a stranger's archive may say."""
    try:
        return datetime.fromtimestamp(seconds, timezone.utc).isoformat(timespec="seconds")
    except (ValueError, OverflowError, OSError):
        return ""


def _find_thumbnail(path: Path, pictures: Mapping[str, str]) -> Path | None:
    """NAME.preview.png, as WebUIs look for it, NAME.png, or the embedding itself where it is a picture."""
    stem = _stem(path.name)
    for middle in (".preview", ""):
        for ending in _PICTURES:
            name = pictures.get(stem + middle + ending)
            if name and path.with_name(name).is_file():
                return path.with_name(name)
    return None


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


class FolderEmbeddings(Mapping[str, "Embedding"]):
    """`entries` are those of a folder. Of files with one name those that fit `model` come first, then the one
    nearest to the top; what does not fit is told when it is used.

    Getting one loads its file anew: InvalidEmbedding where it is no good, KeyError where it is gone.
    """

    def __init__(self, entries: Iterable[Entry], model: ModelInfo) -> None:
        self.headers: dict[str, Header] = {}
        self._paths: dict[str, Path] = {}
        for entry in sorted(entries, key=lambda entry: entry.match(model) == "misfit"):
            if entry.header and entry.name not in self.headers:
                self.headers[entry.name], self._paths[entry.name] = entry.header, entry.path
        self.names = tuple(self._paths)

    def __getitem__(self, name: str) -> Embedding:
        path = self._paths[name]
        if not path.exists():
            raise KeyError(name)
        return load_embedding(path)

    def __iter__(self) -> Iterator[str]:
        return iter(self._paths)

    def __len__(self) -> int:
        return len(self._paths)
