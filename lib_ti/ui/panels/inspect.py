"""The Inspect panel: build, then wire."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import gradio as gr

from lib_ti.config.embeddings import InspectConfig
from lib_ti.ui import compat, ids, wording
from lib_ti.ui.actions.embeddings import EmbeddingActions, Inspected
from lib_ti.ui.actions.train import Outcome
from lib_ti.ui.form import Form
from lib_ti.ui.html.markup import NOTHING
from lib_ti.ui.html.notices import empty
from lib_ti.ui.panels.remake import RemakePanel, build_remake

SOURCE_FIELDS = {"embedding": "file", "typed": "typed"}
"""The field that each kind of source needs; the other is out of sight."""


@dataclass(frozen=True)
class InspectPanel:
    form: Form
    sources: dict[str, Any]
    inspect: Any
    decompose: Any
    edit: Any
    expression: Any
    result: Any
    tokens: Any
    origin: Any
    offered: Any
    looked: Any
    remake: RemakePanel

    @property
    def opened(self) -> list[Any]:
        """What `open_file` updates."""
        return [*self.form.outputs, *self.sources.values(), *self.seen]

    @property
    def seen(self) -> list[Any]:
        """What is new with every inspection; `offered` holds what remakes the file that was `looked` at."""
        return [self.result, self.tokens, self.edit, self.origin, self.offered, self.looked, *self.remake.shown]


def build_inspect() -> InspectPanel:
    form = Form("inspect", InspectConfig, {}, {"file": [""], "other": [""]})  # the folder is read once the page stands
    with gr.Column(elem_id=ids.part_id("inspect_panel")):
        with gr.Column(elem_id=ids.part_id("inspect_settings")):
            with gr.Row(elem_classes=[ids.FIELDS]):
                form.field("source", min_width=240)
                sources = {}
                for source, path in SOURCE_FIELDS.items():
                    with gr.Column(visible=source == form.default("source"), min_width=240) as sources[source]:
                        form.field(path)
                form.field("by", min_width=160)
            with gr.Accordion("Compare", open=False):
                form.row("other", "same_as")
            with gr.Row(elem_classes=[ids.BUTTONS]):
                inspect = compat.button(wording.INSPECT, variant="primary", size="sm", elem_id=ids.part_id("inspect"))
                decompose = compat.button(wording.DECOMPOSE, size="sm", elem_id=ids.part_id("decompose"))
                edit = compat.button(wording.EDIT_IN_MERGE, visible=False, size="sm", elem_id=ids.part_id("edit"))
        origin = compat.html(visible=False, elem_id=ids.part_id("origin"))
        with gr.Column(visible=False, elem_id=ids.part_id("offered")) as offered:
            remake = build_remake("again", wording.REMAKE)
        tokens = compat.html(elem_id=ids.part_id("tokens"))
        result = compat.html(empty(wording.INSPECT_INTRO), elem_id=ids.part_id("inspected"))
        expression, looked = gr.State(""), gr.State("")
    form.answers = [result, tokens, origin]
    form.wire_answers()
    shown = (expression, result, tokens, origin, offered, looked)
    return InspectPanel(form, sources, inspect, decompose, edit, *shown, remake)


def show_files(panel: InspectPanel, actions: EmbeddingActions) -> dict[Any, Any]:
    """The folder's files, as they are now, in the fields that offer them."""
    files = actions.files()
    return {panel.form.components[path]: gr.update(choices=files) for path in ("file", "other")}


def open_file(panel: InspectPanel, actions: EmbeddingActions, path: str) -> dict[Any, Any]:
    """Show one file, as if it had been chosen and the button pressed."""
    outcome = actions.inspect({"source": "embedding", "file": path})
    return {
        **panel.form.fill({"source": "embedding", "file": path}),
        **panel.form.show_faults(outcome.faults),
        **_show_source(panel, "embedding"),
        **_show_seen(panel, outcome, path),
    }


def _show_seen(panel: InspectPanel, outcome: Inspected, file: str) -> dict[Any, Any]:
    return {
        panel.result: compat.show(outcome.html),
        panel.tokens: compat.show(NOTHING),
        panel.edit: gr.update(visible=False),
        panel.origin: compat.show_if_any(outcome.origin),
        panel.offered: gr.update(visible=outcome.remake),
        panel.looked: file,
        **panel.remake.show(Outcome()),
    }


def _show_source(panel: InspectPanel, chosen: str) -> dict[Any, Any]:
    return {column: gr.update(visible=source == chosen) for source, column in panel.sources.items()}


def wire_inspect(
    panel: InspectPanel, actions: EmbeddingActions, merge: Form, go_to: Callable[[str], dict[Any, Any]]
) -> None:
    """`go_to` gives the update that shows another panel."""
    form = panel.form
    source = form.components["source"]

    def show_source(data: dict[Any, Any]) -> dict[Any, Any]:
        return _show_source(panel, data[source])

    def inspect(data: dict[Any, Any]) -> dict[Any, Any]:
        values = form.values(data)
        outcome = actions.inspect(values)
        return {**_show_seen(panel, outcome, str(values["file"])), **form.show_faults(outcome.faults)}

    def decompose(data: dict[Any, Any]) -> dict[Any, Any]:
        outcome = actions.decompose(form.values(data))
        return {
            panel.tokens: compat.show(outcome.html),
            panel.expression: outcome.expression,
            panel.edit: gr.update(visible=outcome.good),
            **form.show_faults(outcome.faults),
        }

    def remake_files(data: dict[Any, Any]) -> dict[Any, Any]:
        outcome, new = actions.remake.one(data[panel.looked], panel.remake.form.values(data))
        updates = open_file(panel, actions, str(new)) if new else {}
        return {**updates, panel.offered: gr.update(visible=True), **panel.remake.show(outcome)}

    def edit(data: dict[Any, Any]) -> dict[Any, Any]:
        return {**merge.take({"expression": data[panel.expression]}), **go_to("merge")}

    faults = list(form.faults.values())
    compat.on(source.change, show_source, {source}, list(panel.sources.values()))
    compat.on(panel.inspect.click, inspect, form.inputs, [*panel.seen, *faults], queue=True)
    compat.on(
        panel.remake.make.click, remake_files, panel.remake.form.inputs | {panel.looked}, panel.opened, queue=True
    )
    compat.on(
        panel.decompose.click, decompose, form.inputs, [panel.tokens, panel.expression, panel.edit, *faults], queue=True
    )
    compat.on(panel.edit.click, edit, {panel.expression}, [*merge.taken, *go_to("merge")])
