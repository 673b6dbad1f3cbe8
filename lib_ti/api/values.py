"""From a request's JSON to settings that are validated: by their own rules, and that every path lies where it may."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeVar

from lib_ti.api.security import Access, find_inside
from lib_ti.app import App
from lib_ti.config.lines import FOLDERS, Line, parse_lines, write_lines
from lib_ti.config.options import build_config, flatten, walk_options
from lib_ti.dataset.folder import files_beside, list_pictures
from lib_ti.errors import Fault, InvalidConfig, InvalidDataset, InvalidText, TIError

Config = TypeVar("Config")

SAME_AS_TRAIN = {"format": "save.format"}
"""Settings of other requests that mean the same as one of the training, and share its default."""


PICTURES = ("data.folder", "data.mask_folder", "data.class_folder", "pictures")
"""Settings that are a folder of pictures."""


class NotFound(TIError):
    """A file or picture that is not there."""


class NotRunning(TIError):
    """A job that is over, or never was."""


@dataclass(frozen=True)
class Values:
    """Reads requests for one App."""

    app: App
    access: Access

    def defaults(self, config: type) -> dict[str, Any]:
        """What the user has set for good of the settings of `config`."""
        wanted = self.access.defaults
        found = {path: SAME_AS_TRAIN.get(path, path) for path, *_ in walk_options(config)}
        return {path: wanted[theirs] for path, theirs in found.items() if theirs in wanted}

    def build(self, config: type[Config], given: Mapping[str, Any]) -> Config:
        """Raises InvalidConfig with every fault; paths come out absolute."""
        try:
            return self._build(config, given)
        except RecursionError:  # from Python 3.12 on, JSON is read deeper than Python goes
            raise InvalidConfig([Fault("body", "is nested too deeply")]) from None

    def _build(self, config: type[Config], given: Mapping[str, Any]) -> Config:
        flat = {**self.defaults(config), **flatten(given)}
        if self._logs_elsewhere() and any(path == "save.log_folder" for path, *_ in walk_options(config)):
            flat["save.log_folder"] = flat.get("save.log_folder") or str(self._logs[0])
        faults: list[Fault] = []
        for path in self._roots:
            if path not in flat:
                continue
            try:
                flat[path] = self._place(path, flat[path])
            except InvalidConfig as error:
                faults += error.faults
        try:
            built = build_config(config, flat)
        except InvalidConfig as error:
            raise InvalidConfig([*error.faults, *faults]) from None
        if faults:
            raise InvalidConfig(faults)
        return built

    def find_file(self, given: str, where: str = "file") -> Path:
        """In the embeddings or the log folder. Raises InvalidConfig for a place elsewhere, NotFound where there is none."""
        path = Path(self._place(where, given))
        if not path.is_file():
            raise NotFound(f"There is no {given!r}.", "GET library lists the files.", where)
        return path

    def _logs_elsewhere(self) -> bool:
        """Whether the host keeps its logs where no request reaches."""
        return find_inside(self.app.host.log_folder(), self._logs) is None

    def may_read(self, path: Path) -> bool:
        return find_inside(path, self._own) is not None

    @property
    def _own(self) -> list[Path]:
        return [self.app.embeddings_folder(), *self._logs]

    @property
    def _logs(self) -> tuple[Path, ...]:
        return self.access.logs or (self.app.host.log_folder(),)

    @property
    def _roots(self) -> dict[str, list[Path]]:
        """Every setting that takes a path, and the folders that it may lead into."""
        embeddings, own = self.app.embeddings_folder(), self._own
        return {
            "data.folder": [*self.access.pictures, *own],
            "data.mask_folder": [*self.access.pictures, *own],
            "data.class_folder": [*self.access.pictures, *own],
            "data.more": [*self.access.pictures, *own],
            "pictures": [*self.access.pictures, *own],
            "data.template": [*own, *self.app.host.template_folders()],
            "save.folder": [embeddings],
            "save.log_folder": [*self._logs],
            "folder": [embeddings],
            "file": own,
            "other": own,
        }

    def _place_lines(self, given: Any) -> Any:
        """`data.more` with every path in full; what cannot be read is left for its own rules to refuse."""
        if isinstance(given, list) and all(isinstance(line, str) for line in given):
            given = "\n".join(given)
        try:
            lines = parse_lines(given, FOLDERS) if isinstance(given, str) else []
        except InvalidText:
            return given
        try:
            placed = [self._place_line(line) for line in lines]
        except InvalidConfig as error:
            raise InvalidConfig([replace(fault, where="data.more") for fault in error.faults]) from None
        if parse_lines(text := write_lines(placed), FOLDERS) != placed:
            hint = "rename it without semicolons and quotes"
            raise InvalidConfig([Fault("data.more", "a folder's name cannot be written in a line", hint)])
        return text if lines else given

    def _place_line(self, line: Line) -> Line:
        places = {name: f"data.{name}" for name in line.settings if f"data.{name}" in self._roots}
        settings = {name: str(self._place(path, line.settings[name])) for name, path in places.items()}
        return Line(str(self._place("data.folder", line.thing)), {**line.settings, **settings})

    def _place(self, path: str, given: Any) -> Any:
        """The path in full. What is no text is left for the settings' own rules to refuse."""
        if path == "data.more":
            return self._place_lines(given)
        if isinstance(given, (list, tuple)):
            return given
        text = "" if given is None else _bare(str(given))
        if path == "data.template":
            name = Path(text).stem if Path(text).suffix.lower() == ".txt" else text
            if name == text or name in self.app.templates():  # without its ending it is looked up by its name alone
                return name
        if not text or (path == "other" and "'" in text):  # an expression
            return text
        roots = self._roots[path]
        hint = f"take one inside {', '.join(map(str, roots))}"
        if path in (*PICTURES, "save.log_folder") and self.access.hint:
            hint += f"; {self.access.hint}"
        found = find_inside(text, roots)
        if found is None or str(found) != _bare(str(found)):
            raise InvalidConfig([Fault(path, f"the API does not reach {text!r}", hint)])
        if path in PICTURES:
            if not found.exists():
                raise InvalidConfig([Fault(path, f"there is no folder {text!r}", hint)])
            if out := _links_out(found, roots):
                names = ", ".join(out[:3]) + (f" and {len(out) - 3} more" if len(out) > 3 else "")
                raise InvalidConfig([Fault(path, f"the API does not reach where links lead: {names}", hint)])
        return str(found)


def _links_out(folder: Path, roots: list[Path]) -> list[str]:
    """Pictures of a data set, captions and masks, that are links to what lies in none of `roots`."""
    try:
        pictures = list_pictures(folder)
    except InvalidDataset:  # there are none; the data set's own rules tell
        return []
    files = [path for picture in pictures for path in (picture.path, *files_beside(picture.path))]
    return [str(path.relative_to(folder)) for path in files if not find_inside(path, roots)]


def _bare(text: str) -> str:
    """As a path is read in the end: some readers take quotes and blanks off once more, which must lead nowhere else."""
    while (inner := text.strip().strip('"')) != text:
        text = inner
    return text
