"""What the buttons of Merge, Inspect and Library do, without gradio."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lib_ti.app import App
from lib_ti.config.embeddings import InspectConfig, MergeConfig, RemakeConfig
from lib_ti.config.options import build_config
from lib_ti.errors import Fault, InvalidConfig, InvalidText, TIError, visible
from lib_ti.ui import wording
from lib_ti.ui.actions.train import Outcome, refused
from lib_ti.ui.html import figures, notices
from lib_ti.ui.html.library import library_list, origin_card
from lib_ti.ui.html.markup import NOTHING, Html
from lib_ti.ui.html.notices import results
from lib_ti.ui.html.remake import remake_faults

if TYPE_CHECKING:
    from lib_ti.app import Inspection


class RemakeActions:
    def __init__(self, app: App) -> None:
        self.app = app

    def one(self, file: str, values: Mapping[str, Any]) -> tuple[Outcome, Path | None]:
        """`file` as Inspect names it; and where its new form lies."""
        try:
            (done,) = self.app.remake([self.app.embeddings_folder() / file], build_config(RemakeConfig, values))
        except TIError as error:
            return refused(error, RemakeConfig), None
        if done.made is None:
            return Outcome(remake_faults([done])), None
        return Outcome(results([done.made], wording.MERGED_NEXT), good=True), done.made.path

    def start(self, typed: str, values: Mapping[str, Any]) -> Outcome:
        """All that the filter `typed` lets through and that are not of the loaded model, in a job of its own."""
        try:
            self.app.library_job.start(build_config(RemakeConfig, values), typed)
        except TIError as error:
            return refused(error, RemakeConfig)
        return Outcome(good=True)

    def stop(self) -> None:
        if self.app.library_job.jobs.current:
            self.app.library_job.jobs.current.control.stop()


@dataclass(frozen=True)
class Merged(Outcome):
    """`name` of the file that was saved; of the first where there are several."""

    name: str = ""


@dataclass(frozen=True)
class Decomposed(Outcome):
    expression: str = ""


@dataclass(frozen=True)
class Inspected(Outcome):
    """`origin` says which model the file was made on. `remake`: that is another one, and the file's recipe suffices to remake
    it for this one."""

    origin: Html = NOTHING
    remake: bool = False


class EmbeddingActions:
    def __init__(self, app: App) -> None:
        self.app = app
        self.remake = RemakeActions(app)

    def check(self, expression: str, second: str = "") -> Outcome:
        """While they are typed: nothing is computed. `second` is the expression at the other end of an arc."""
        html, faults = NOTHING, tuple[Fault, ...]()
        for field, text in (("expression", expression), ("arc_to", second)):
            if not text.strip():
                continue
            try:
                checked = self.app.check_expression(text)
            except TIError as error:
                return refused(error, MergeConfig)
            if checked.error:
                faults += (Fault(field, figures.caret(checked.error)),)
            elif field == "expression":
                html = figures.check(checked)
        return Outcome(html, faults, good=bool(html) and not faults)

    def merge(self, values: Mapping[str, Any]) -> Merged:
        try:
            results = self.app.merge(build_config(MergeConfig, values))
            seen = Html("").join(self._picture(self.app.inspect(one.path)) for one in results)
        except TIError as error:
            outcome = _refused(error, MergeConfig, "expression")
            return Merged(outcome.html, outcome.faults)
        return Merged(notices.results(results, wording.MERGED_NEXT) + seen, good=True, name=results[0].name)

    def preview(self, values: Mapping[str, Any]) -> Outcome:
        """All that `merge` would save, with its edits, while nothing is saved."""
        try:
            parts = self.app.build_merge(_unsaved(values))
            html = Html("").join(self._picture(self.app.inspect(part)) for part in parts)
        except TIError as error:
            return _refused(error, MergeConfig, "expression")
        return Outcome(notices.soft_card(wording.NOT_SAVED) + html, good=True)

    def explain(self, values: Mapping[str, Any]) -> Outcome:
        """What `merge` would save, with its edits, by few tokens."""
        try:
            parts = self.app.build_merge(_unsaved(values))
            html = Html("").join(figures.decomposition(self.app.decompose(part)) for part in parts)
        except TIError as error:
            return _refused(error, MergeConfig, "expression")
        return Outcome(html, good=True)

    def inspect(self, values: Mapping[str, Any]) -> Inspected:
        html, origin, remake = NOTHING, NOTHING, False
        try:
            config, source = self._source(values)
            if isinstance(source, Path):
                origin, remake = self._origin(source)
            html = self._picture(self.app.inspect(source, config.grouping))
            if config.other:
                other = self._file_or_expression(config.other)
                html += figures.comparison(config.other, self.app.compare(source, other))
            if config.same_as:
                html += figures.sameness(self.app.compare_with_text(source, config.same_as))
        except TIError as error:
            outcome = _refused(error, InspectConfig, "typed")
            return Inspected(outcome.html, outcome.faults, origin=origin, remake=remake)
        return Inspected(html, good=True, origin=origin, remake=remake)

    def decompose(self, values: Mapping[str, Any]) -> Decomposed:
        try:
            _, source = self._source(values)
            found = self.app.decompose(source)
        except TIError as error:
            outcome = _refused(error, InspectConfig, "typed")
            return Decomposed(outcome.html, outcome.faults)
        return Decomposed(figures.decomposition(found), good=True, expression=found.expression)

    def library(self, typed: str, quick: bool = False) -> Html:
        """Headers only; without a model nothing is marked. `quick` while the filter is typed."""
        try:
            folder = self.app.embeddings_folder()
            every = self.app.library(quick=quick)
            entries = self.app.library(typed=typed, quick=True) if typed.strip() else every
        except TIError as error:
            return refused(error, MergeConfig).html
        try:
            model = self.app.model()
        except TIError:  # the header says so
            model = None
        return library_list(entries, folder, model, typed, len(every))

    def files(self) -> list[str]:
        """Those of the embeddings folder, as Inspect's field names them."""
        try:
            names = [entry.path.relative_to(entry.folder).as_posix() for entry in self.app.library() if entry.header]
        except TIError:
            return []
        return [name for name in names if name == visible(name)]

    def _source(self, values: Mapping[str, Any]) -> tuple[InspectConfig, Path | str]:
        config = build_config(InspectConfig, values)
        field = "file" if config.source == "embedding" else "typed"
        typed = getattr(config, field)
        if not typed.strip():
            raise InvalidConfig([Fault(field, wording.NO_SOURCE)])
        return config, self._path(typed) if field == "file" else typed

    def _path(self, typed: str) -> Path:
        return self.app.embeddings_folder() / typed  # a path from the root stays as it is

    def _origin(self, path: Path) -> tuple[Html, bool]:
        """Which model the file was made on, and whether it can be remade for the loaded one."""
        entry, model = self.app.entry(path), self.app.host.model()
        if entry.header is None:
            return NOTHING, False
        return origin_card(entry, model), entry.match(model) != "this" and not entry.remake_obstacle

    def _file_or_expression(self, typed: str) -> Path | str:
        path = self._path(typed)
        return typed if "'" in typed and not path.exists() else path

    def _picture(self, seen: Inspection) -> Html:
        try:
            light, dark = (self.app.draw_heatmap(seen, theme) for theme in (False, True))
        except TIError as error:  # matplotlib may be missing: the figures are worth showing all the same
            return figures.inspection(seen) + refused(error, InspectConfig).html
        return figures.inspection(seen, light, dark)


def _unsaved(values: Mapping[str, Any]) -> MergeConfig:
    """For what is only looked at, a name need not be chosen yet."""
    return build_config(MergeConfig, {**values, "name": values.get("name") or "merged"})


def _refused(error: TIError, config: type, field: str) -> Outcome:
    """A fault of a typed text stands beside its field, under a caret."""
    if isinstance(error, InvalidText):
        fault = Fault(error.where or field, figures.caret(error))
        return Outcome(notices.text_fault(fault), (fault,))
    return refused(error, config)
