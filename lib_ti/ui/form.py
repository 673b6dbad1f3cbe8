"""Widgets made from config options, addressed by dotted path; never a positional list."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import gradio as gr

from lib_ti.config.options import Option, walk_options
from lib_ti.errors import Fault
from lib_ti.ui import compat, ids
from lib_ti.ui.html.markup import NOTHING
from lib_ti.ui.html.notices import field_faults

MOST_RADIOS = 4
ONCE = "overwrite"
"""The field, in whatever part, whose tick allows a file to be replaced."""


def small_button(label: str, name: str, **about: Any) -> Any:
    return compat.button(label, **{"elem_id": ids.part_id(f"{name}_button"), "min_width": 96, "size": "sm", **about})


class Form:
    """The fields of one config class in one panel. `choices` adds suggestions to text fields; `defaults` goes over the config's.

    `answers` are the panel's pieces of html that tell what came of the form as it was when a button was pressed.
    """

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
        self.answers: list[Any] = []
        self._options = {path: (kind, default, about) for path, kind, default, about in walk_options(config)}
        self._defaults = defaults
        self._choices = choices or {}

    def field(self, path: str, min_width: int = 110, lines: int = 1) -> Any:
        """Build one field where gradio stands now, with room for its fault below; the widget. `lines` of a text."""
        kind, default, about = self._options[path]
        value = self._defaults.get(path, default)
        with gr.Column(min_width=min_width, elem_classes=[ids.FIELD]):
            self.components[path] = _widget(
                kind, value, about, self._choices.get(path, ()), ids.field_id(self.panel, path), max(lines, about.lines)
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

    @property
    def taken(self) -> list[Any]:
        """What `take` updates."""
        return [*self.outputs, *self.answers]

    def take(self, values: Mapping[str, Any]) -> dict[Any, Any]:
        """Filled from elsewhere; what was answered to the form as it was is gone."""
        gone = {answer: compat.show(NOTHING) for answer in self.answers}
        return {**self.fill(values), **self.show_faults([]), **gone}

    @property
    def once(self) -> list[Any]:
        """What `spend` updates."""
        return [widget for path, widget in self.components.items() if path.rpartition(".")[2] == ONCE]

    def spend(self) -> dict[Any, Any]:
        """To overwrite is allowed for one press: with the next, what this one makes would be lost unasked."""
        return {widget: gr.update(value=False) for widget in self.once}

    def wire_answers(self, checked: Iterable[str] = ()) -> None:
        """From now on a change by the user marks all answers as old, and removes the fault of the field, unless that is
        `checked` while it is typed."""
        for path, widget in self.components.items():
            if path in checked:
                outdate(widget, self.answers)
            else:
                outdate(widget, self.answers, self.faults[path])

    def show_faults(self, faults: Iterable[Fault]) -> dict[Any, Any]:
        """Each fault under its field; fields without one are cleared."""
        by_path: dict[str, list[Fault]] = {}
        for fault in faults:
            by_path.setdefault(fault.where, []).append(fault)
        return {
            component: compat.show_if_any(field_faults(by_path.get(path, [])))
            for path, component in self.faults.items()
        }


def outdate(field: Any, answers: list[Any], fault: Any = None) -> None:
    """From now on a change of the `field` by the user marks the `answers` as old, and removes its own `fault`."""
    told = [*answers, *([fault] if fault else [])]
    # Older gradio hands the outputs over as well.
    js = f"(...told) => window.tiLab.outdate('{field.elem_id}', told.slice(0, {len(told)}), {len(answers)})"
    # Not `input`: newer gradio leaves it out where text is deleted or pasted. The script knows who has made a change.
    compat.on(field.change, None, told, told, js=js)


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
