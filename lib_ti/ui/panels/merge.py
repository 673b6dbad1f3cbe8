"""The Merge panel: build, then wire."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import gradio as gr

from lib_ti.config.embeddings import MergeConfig
from lib_ti.ui import compat, ids, wording
from lib_ti.ui.actions.embeddings import EmbeddingActions
from lib_ti.ui.actions.train import Outcome
from lib_ti.ui.form import Form
from lib_ti.ui.html.notices import empty

SAME_AS_TRAIN = {"folder": "save.folder", "format": "save.format"}
"""Merge's fields that mean the same as Train's, beside the name."""
CHECKED = ("expression", "arc_to")
"""What is checked while it is typed."""


@dataclass(frozen=True)
class MergePanel:
    form: Form
    checked: Any
    merge: Any
    look: Any
    explain: Any
    use: Any
    saved: Any
    result: Any


def build_merge(defaults: Mapping[str, Any]) -> MergePanel:
    form = Form(
        "merge", MergeConfig, {path: defaults[same] for path, same in SAME_AS_TRAIN.items() if same in defaults}
    )
    with gr.Column(elem_id=ids.part_id("merge_panel")):
        with gr.Column(elem_id=ids.part_id("merge_settings")):
            with gr.Row(elem_classes=[ids.BESIDE]):
                with gr.Column(scale=6, min_width=280):
                    form.field("expression", lines=3)
                    checked = compat.html(elem_id=ids.part_id("merge_check"))
                with gr.Column(scale=5, min_width=280):
                    form.field("name")
                    form.field("over")
            with gr.Accordion("Edits", open=False):
                form.row("arc_to", "share", "length")
                form.row("drop_zeros", "collapse")
            with gr.Accordion("File", open=False):
                form.row("format", "folder")
                form.field("overwrite")
            with gr.Row(elem_classes=[ids.BUTTONS]):
                merge = compat.button(wording.MERGE, variant="primary", size="sm", elem_id=ids.part_id("merge"))
                look = compat.button(wording.LOOK, size="sm", elem_id=ids.part_id("look"))
                explain = compat.button(wording.DECOMPOSE, size="sm", elem_id=ids.part_id("explain"))
                use = compat.button(wording.USE_FOR_TRAINING, interactive=False, size="sm", elem_id=ids.part_id("use"))
        result = compat.html(empty(wording.MERGE_INTRO), elem_id=ids.part_id("merged"))
        saved = gr.State({})
    form.answers = [result]
    form.wire_answers(checked=CHECKED)
    return MergePanel(form, checked, merge, look, explain, use, saved, result)


def wire_merge(
    panel: MergePanel, actions: EmbeddingActions, train: Form, go_to: Callable[[str], dict[Any, Any]]
) -> None:
    """`go_to` gives the update that shows another panel."""
    form = panel.form
    expressions, carets = [form.components[path] for path in CHECKED], [form.faults[path] for path in CHECKED]

    def check(data: dict[Any, Any]) -> dict[Any, Any]:
        outcome = actions.check(*(str(data[expression] or "") for expression in expressions))
        shown = form.show_faults(outcome.faults)
        return {panel.checked: compat.show(outcome.html), **{caret: shown[caret] for caret in carets}}

    def merge(data: dict[Any, Any]) -> dict[Any, Any]:
        values = form.values(data)
        outcome = actions.merge(values)
        updates = {panel.result: compat.show(outcome.html), **form.show_faults(outcome.faults)}
        if outcome.good:
            same = {theirs: values[ours] for ours, theirs in SAME_AS_TRAIN.items()}
            # Overwriting would begin with the initialization text instead of with what was merged.
            updates[panel.saved] = {**same, "embedding.name": outcome.name, "embedding.overwrite": False}
            updates |= form.spend()
        return {**updates, panel.use: gr.update(interactive=outcome.good)}

    def show(action: Callable[[Mapping[str, Any]], Outcome]) -> compat.Action:
        def shown(data: dict[Any, Any]) -> dict[Any, Any]:
            outcome = action(form.values(data))
            return {panel.result: compat.show(outcome.html), **form.show_faults(outcome.faults)}

        return shown

    def use(data: dict[Any, Any]) -> dict[Any, Any]:
        return {**train.take(data[panel.saved]), **go_to("train")}

    faults = list(form.faults.values())
    for expression in expressions:
        compat.on(expression.change, check, set(expressions), [panel.checked, *carets], typing=True)
    merged = [panel.result, panel.saved, panel.use, *faults, *form.once]
    compat.on(panel.merge.click, merge, form.inputs, merged, queue=True)
    for button, action in ((panel.look, actions.preview), (panel.explain, actions.explain)):
        compat.on(button.click, show(action), form.inputs, [panel.result, *faults], queue=True)
    compat.on(panel.use.click, use, {panel.saved}, [*train.taken, *go_to("train")])
