"""The part of the Data set panel that describes pictures in the model's words: build, then wire."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import gradio as gr

from lib_ti.config.describe import DescribeConfig
from lib_ti.ui import compat, ids, wording
from lib_ti.ui.actions.describe import DescribeActions
from lib_ti.ui.actions.train import Outcome
from lib_ti.ui.form import Form, small_button
from lib_ti.ui.refresh import Refresh

FIELDS = (
    ("words", "whole"),
    ("among",),
    ("prompt", "start"),
    ("candidates", "samples", "seed"),
    ("at_once", "clip_skip", "checkpointing"),
)
"""All settings but the folder, which is the one that is looked at."""


@dataclass(frozen=True)
class DescribePanel:
    """`offers` holds the buttons that take the words to another panel, and is on the page once there are words."""

    form: Form
    describe: Any
    stop: Any
    notice: Any
    shown: Any
    offers: Any
    to_merge: Any
    to_train: Any
    to_create: Any

    @property
    def outputs(self) -> list[Any]:
        """What changes with a search."""
        return [self.describe, self.stop, self.offers, *self.form.faults.values()]


def build_describe_settings() -> tuple[Form, Any, Any]:
    """The form, and the buttons that start and stop."""
    form = Form("describe", DescribeConfig, {})
    with gr.Row(elem_classes=[ids.BUTTONS]):
        describe = small_button(wording.DESCRIBE, "describe", scale=3)
        stop = small_button(wording.STOP, "stop_describing", interactive=False)
    with gr.Accordion(wording.DESCRIBE_SETTINGS, open=False):
        for row in FIELDS:
            form.row(*row)
    return form, describe, stop


def build_description(form: Form, describe: Any, stop: Any) -> DescribePanel:
    """Where the words appear, and what can be done with them."""
    notice = compat.html(visible=False, elem_id=ids.part_id("describe_notice"))
    shown = compat.html(elem_id=ids.part_id("described"))
    with gr.Column(visible=False) as offers, gr.Row(elem_classes=[ids.BUTTONS]):
        to_merge = small_button(wording.EDIT_IN_MERGE, "words_to_merge")
        to_train = small_button(wording.START_TRAIN_SO, "words_to_train")
        to_create = small_button(wording.START_CREATE_SO, "words_to_create")
    form.answers = [notice]
    form.wire_answers()
    return DescribePanel(form, describe, stop, notice, shown, offers, to_merge, to_train, to_create)


def show_description(panel: DescribePanel, actions: DescribeActions) -> dict[Any, Any]:
    """The buttons as the newest search has them; once it is over, its faults and what can be done with its words."""
    snapshot = actions.job.jobs.snapshot
    updates = {
        panel.describe: gr.update(interactive=not snapshot.active),
        panel.stop: gr.update(interactive=snapshot.active),
        panel.offers: gr.update(visible=not snapshot.active and actions.found),
    }
    if not snapshot.active and snapshot.state != "idle":
        updates |= panel.form.show_faults(actions.ending().faults)
    return updates


def wire_describe(
    panel: DescribePanel,
    actions: DescribeActions,
    folder: Any,
    forms: dict[str, Form],
    from_pictures: Any,
    go_to: Callable[[str], dict[Any, Any]],
    refresh: Refresh,
) -> None:
    """`folder` is the field of the folder that is looked at, `forms` are those of the other panels by name; `from_pictures` is
    Train's button, and `go_to` gives the update that shows another panel."""
    form, train, create = panel.form, forms["train"], forms["create"]
    theirs = train.components["data.folder"]

    def tell(outcome: Outcome) -> dict[Any, Any]:
        return {panel.notice: compat.show_if_any(outcome.html), **form.show_faults(outcome.faults)}

    def describe(data: dict[Any, Any]) -> dict[Any, Any]:
        outcome = actions.start(str(data[folder] or ""), form.values(data))
        return {**tell(outcome), **refresh(data)}

    def describe_training(data: dict[Any, Any]) -> dict[Any, Any]:
        """Train's pictures, in words that its text can hold."""
        values = {**form.values(data), "whole": True}
        outcome = actions.start(str(data[theirs] or ""), values)
        shown = {folder: gr.update(value=data[theirs]), **form.fill({"whole": True}), **go_to("dataset")}
        return {**tell(outcome), **shown, **refresh(data)}

    def stop(data: dict[Any, Any]) -> dict[Any, Any]:
        actions.stop()
        return refresh(data)

    def merge(data: dict[Any, Any]) -> dict[Any, Any]:
        return {**forms["merge"].take(actions.for_merge()), **go_to("merge")}

    def start_train(data: dict[Any, Any]) -> dict[Any, Any]:
        text, vectors = actions.for_start(data[train.components["embedding.vectors"]])
        values = {"embedding.init": text, "embedding.vectors": vectors, "data.folder": data[folder]}
        return {**train.take(values), **go_to("train")}

    def start_create(data: dict[Any, Any]) -> dict[Any, Any]:
        text, vectors = actions.for_start(data[create.components["vectors"]])
        return {**create.take({"source": "text", "init": text, "vectors": vectors}), **go_to("create")}

    told = [panel.notice, *form.faults.values()]
    everything = list(dict.fromkeys([*refresh.outputs, *told]))
    compat.on(panel.describe.click, describe, form.inputs | refresh.inputs | {folder}, everything)
    compat.on(panel.stop.click, stop, refresh.inputs, refresh.outputs)
    moved = list(dict.fromkeys([*everything, folder, *form.components.values(), *go_to("dataset")]))
    compat.on(from_pictures.click, describe_training, form.inputs | refresh.inputs | {theirs}, moved)
    compat.on(panel.to_merge.click, merge, {folder}, [*forms["merge"].taken, *go_to("merge")])
    asked = {folder, train.components["embedding.vectors"]}
    compat.on(panel.to_train.click, start_train, asked, [*train.taken, *go_to("train")])
    compat.on(panel.to_create.click, start_create, {create.components["vectors"]}, [*create.taken, *go_to("create")])
