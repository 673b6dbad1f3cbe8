"""Widgets made from config options, addressed by dotted path; never a positional list."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import gradio as gr

from lib_ti.config.options import Option, walk_options
from lib_ti.errors import Fault
from lib_ti.ui import compat, ids
from lib_ti.ui.html.notices import field_faults

MOST_RADIOS = 4


def small_button(label: str, name: str, **about: Any) -> Any:
    return compat.button(label, **{"elem_id": ids.part_id(f"{name}_button"), "min_width": 96, "size": "sm", **about})


class Form:
    """The fields of one config class in one panel. `choices` adds suggestions to text fields; `defaults` goes over the config's."""

    def __init__(
        self,
        panel: str,
        config: type,
        defaults: Mapping[str, Any],
        choices: Mapping[str, Sequence[str]] | None = None,
    ) -> None:
        self.panel = panel
        self.components: dict[str, Any] = {}
        self.faults: dict[str, Any] = {}
        self._options = {path: (kind, default, about) for path, kind, default, about in walk_options(config)}
        self._defaults = defaults
        self._choices = choices or {}

    def field(self, path: str, min_width: int = 110, lines: int = 1) -> Any:
        """Build one field where gradio stands now, with room for its fault below; the widget. `lines` of a text."""
        kind, default, about = self._options[path]
        value = self._defaults.get(path, default)
        with gr.Column(min_width=min_width, elem_classes=[ids.FIELD]):
            self.components[path] = _widget(
                kind, value, about, self._choices.get(path, ()), ids.field_id(self.panel, path), lines
            )
            self.faults[path] = compat.html(visible=False, elem_id=ids.fault_id(self.panel, path))
        return self.components[path]

    def row(self, *paths: str) -> None:
        with gr.Row(elem_classes=[ids.FIELDS]):
            for path in paths:
                self.field(path)

    @property
    def inputs(self) -> set[Any]:
        return set(self.components.values())

    @property
    def outputs(self) -> list[Any]:
        return [*self.components.values(), *self.faults.values()]

    def default(self, path: str) -> Any:
        return self._defaults.get(path, self._options[path][1])

    def values(self, data: Mapping[Any, Any]) -> dict[str, Any]:
        """The user's values by path, of what gradio hands to an action."""
        return {path: "" if data[widget] is None else data[widget] for path, widget in self.components.items()}

    def fill(self, values: Mapping[str, Any]) -> dict[Any, Any]:
        return {
            self.components[path]: gr.update(value=value) for path, value in values.items() if path in self.components
        }

    def show_faults(self, faults: Iterable[Fault]) -> dict[Any, Any]:
        """Each fault under its field; fields without one are cleared."""
        by_path: dict[str, list[Fault]] = {}
        for fault in faults:
            by_path.setdefault(fault.where, []).append(fault)
        return {
            component: compat.show_if_any(field_faults(by_path.get(path, [])))
            for path, component in self.faults.items()
        }


def _widget(kind: type, value: Any, about: Option, suggestions: Sequence[str], elem_id: str, lines: int) -> Any:
    common: dict[str, Any] = {"label": about.label, "info": about.help, "value": value, "elem_id": elem_id}
    if kind is bool:
        return compat.checkbox(**common)
    if kind in (int, float):
        return compat.number(**common)
    if about.choices:
        build = compat.radio if len(about.choices) <= MOST_RADIOS else compat.dropdown
        return build(choices=list(about.choices), **common)
    if suggestions:
        return compat.dropdown(choices=list(suggestions), allow_custom_value=True, **common)
    return compat.textbox(lines=lines, max_lines=max(1, 4 * (lines - 1)), **common)
