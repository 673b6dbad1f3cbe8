"""The Create panel: build, then wire."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import gradio as gr

from lib_ti.config.embeddings import CreateConfig
from lib_ti.ui import compat, ids, wording
from lib_ti.ui.actions.train import Actions
from lib_ti.ui.form import Form
from lib_ti.ui.html.notices import empty

SAME_AS_TRAIN = {
    "name": "embedding.name",
    "init": "embedding.init",
    "vectors": "embedding.vectors",
    "folder": "save.folder",
    "format": "save.format",
}
"""Create's fields that mean the same as Train's: they start with its values, and hand theirs on once a file is made."""

START_FIELDS = {"text": "init", "embedding": "file", "random": "seed"}
"""The field that each start needs; the others are out of sight."""


@dataclass(frozen=True)
class CreatePanel:
    form: Form
    starts: dict[str, Any]
    create: Any
    result: Any


def build_create(defaults: Mapping[str, Any]) -> CreatePanel:
    form = Form(
        "create", CreateConfig, {path: defaults[train] for path, train in SAME_AS_TRAIN.items() if train in defaults}
    )
    with gr.Row(elem_id=ids.part_id("create_panel")):
        with gr.Column(scale=5, min_width=280, elem_id=ids.part_id("create_settings")):
            form.row("name", "vectors")
            form.field("source")
            starts = {}
            for source, path in START_FIELDS.items():
                with gr.Column(visible=source == form.default("source")) as starts[source]:
                    form.field(path)
            with gr.Accordion("File", open=False):
                form.row("format", "folder")
                form.field("overwrite")
            create = compat.button(wording.CREATE, variant="primary", elem_id=ids.part_id("create"))
        with gr.Column(scale=4, min_width=280):
            compat.html(empty(wording.CREATE_INTRO))
            result = compat.html(elem_id=ids.part_id("created"))
    form.answers = [result]
    form.wire_answers()
    return CreatePanel(form, starts, create, result)


def wire_create(panel: CreatePanel, actions: Actions, train: Form) -> None:
    def show_start(data: dict[Any, Any]) -> dict[Any, Any]:
        source = data[panel.form.components["source"]]
        return {column: gr.update(visible=name == source) for name, column in panel.starts.items()}

    def create(data: dict[Any, Any]) -> dict[Any, Any]:
        values = panel.form.values(data)
        outcome = actions.create(values)
        updates = {panel.result: compat.show(outcome.html), **panel.form.show_faults(outcome.faults)}
        if outcome.good:
            # Overwriting would begin with the initialization text instead of with what was created.
            same = {theirs: values[ours] for ours, theirs in SAME_AS_TRAIN.items()}
            updates |= panel.form.spend() | train.take({**same, "embedding.overwrite": False})
        return updates

    source = panel.form.components["source"]
    compat.on(source.change, show_start, {source}, list(panel.starts.values()))
    outputs = [panel.result, *panel.form.faults.values(), *panel.form.once, *train.taken]
    compat.on(panel.create.click, create, panel.form.inputs, outputs, queue=True)
