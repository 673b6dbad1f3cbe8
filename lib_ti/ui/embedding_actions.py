"""What the buttons of Merge, Inspect and Library do, without gradio."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lib_ti.app import App
from lib_ti.config.inspect import InspectConfig
from lib_ti.config.merge import MergeConfig
from lib_ti.config.tree import build_config
from lib_ti.errors import Busy, Fault, InvalidConfig, InvalidText, TIError
from lib_ti.ui import figures, render, wording
from lib_ti.ui.actions import Outcome, refused
from lib_ti.ui.library_list import library_list

if TYPE_CHECKING:
    from lib_ti.app import Inspection


@dataclass(frozen=True)
class Merged(Outcome):
    """`name` of the file that was saved; of the first where there are several."""

    name: str = ""


@dataclass(frozen=True)
class Decomposed(Outcome):
    expression: str = ""


class EmbeddingActions:
    def __init__(self, app: App) -> None:
        self.app = app

    def check(self, expression: str) -> Outcome:
        """While it is typed: nothing is computed."""
        if not expression.strip():
            return Outcome()
        try:
            checked = self.app.check_expression(expression)
        except TIError as error:
            return refused(error, MergeConfig)
        if checked.error:
            return Outcome(faults=(Fault("expression", figures.caret(checked.error)),))
        return Outcome(figures.check(checked), good=True)

    def merge(self, values: Mapping[str, Any]) -> Merged:
        try:
            made = self.app.merge(values)
            seen = self._picture(self.app.inspect(made[0].path))
        except TIError as error:
            outcome = _refused(error, MergeConfig, "expression")
            return Merged(outcome.html, outcome.faults)
        return Merged(render.made(made, wording.MERGED_NEXT) + seen, good=True, name=made[0].name)

    def look(self, expression: str) -> Outcome:
        """The vectors of an expression that is not saved."""
        checked = self.check(expression)
        if not checked.good:
            return checked if checked.faults else Outcome(checked.html, (Fault("expression", wording.NO_SOURCE),))
        try:
            return Outcome(self._picture(self.app.inspect(expression)), good=True)
        except TIError as error:
            return _refused(error, MergeConfig, "expression")

    def inspect(self, values: Mapping[str, Any]) -> Outcome:
        try:
            config, source = self._source(values)
            html = self._picture(self.app.inspect(source, config.by))  # type: ignore[arg-type]  # of its choices
            if config.other:
                other = self._file_or_expression(config.other)
                html += figures.comparison(config.other, self.app.compare(source, other))
            if config.same_as:
                html += self._same(source, config.same_as)
        except TIError as error:
            return _refused(error, InspectConfig, "typed")
        return Outcome(html, good=True)

    def decompose(self, values: Mapping[str, Any]) -> Decomposed:
        try:
            _, source = self._source(values)
            found = self.app.decompose(source)
        except TIError as error:
            outcome = _refused(error, InspectConfig, "typed")
            return Decomposed(outcome.html, outcome.faults)
        return Decomposed(figures.decomposition(found), good=True, expression=found.expression)

    def library(self, typed: str, quick: bool = False) -> str:
        """Headers only; without a model nothing is marked. `quick` while the filter is typed."""
        try:
            folder = self.app.embeddings_folder()
            every = self.app.library(quick=quick)
            entries = self.app.library(typed=typed, quick=True) if typed.strip() else every
        except TIError as error:
            return refused(error, MergeConfig).html
        try:
            model = self.app.model()
        except TIError:  # the header tells
            model = None
        return library_list(entries, folder, model, typed, len(every))

    def files(self) -> list[str]:
        """Those of the embeddings folder, as Inspect's field names them."""
        try:
            return [entry.path.relative_to(entry.folder).as_posix() for entry in self.app.library() if entry.header]
        except TIError:
            return []

    def _source(self, values: Mapping[str, Any]) -> tuple[InspectConfig, Path | str]:
        config = build_config(InspectConfig, values)
        field = "file" if config.source == "embedding" else "typed"
        typed = getattr(config, field)
        if not typed.strip():
            raise InvalidConfig([Fault(field, wording.NO_SOURCE)])
        return config, self._path(typed) if field == "file" else typed

    def _path(self, typed: str) -> Path:
        return self.app.embeddings_folder() / typed  # a path from the root stays as it is

    def _file_or_expression(self, typed: str) -> Path | str:
        path = self._path(typed)
        return typed if "'" in typed and not path.exists() else path

    def _same(self, source: Path | str, text: str) -> str:
        if self.app.jobs.current and self.app.jobs.current.active:
            raise Busy(wording.MODEL_IS_BUSY, wording.MODEL_IS_BUSY_HINT)
        return figures.sameness(self.app.compare_with_text(source, text))

    def _picture(self, seen: Inspection) -> str:
        try:
            light, dark = (self.app.draw_heatmap(seen, theme) for theme in (False, True))
        except TIError as error:  # matplotlib may be missing: the figures are worth showing all the same
            return figures.inspection(seen) + refused(error, InspectConfig).html
        return figures.inspection(seen, light, dark)


def _refused(error: TIError, config: type, field: str) -> Outcome:
    """A fault of a typed text stands beside its field, under a caret."""
    if isinstance(error, InvalidText):
        fault = Fault(field, figures.caret(error))
        return Outcome(f"<div>{render.field_faults([fault])}</div>", (fault,))
    return refused(error, config)
