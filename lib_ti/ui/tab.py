"""The tab: its panels, and the answers that keep every open page true to the running jobs."""

from __future__ import annotations

import itertools
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import gradio as gr

from lib_ti.app import App
from lib_ti.ui import compat, ids, wording
from lib_ti.ui.actions.dataset import DatasetActions
from lib_ti.ui.actions.describe import DescribeActions
from lib_ti.ui.actions.embeddings import EmbeddingActions
from lib_ti.ui.actions.train import Actions, faults_of
from lib_ti.ui.html.run import pulse
from lib_ti.ui.panels.create import CreatePanel, build_create, wire_create
from lib_ti.ui.panels.dataset import DatasetPanel, build_dataset, show_ending, wire_dataset
from lib_ti.ui.panels.describe import show_description, wire_describe
from lib_ti.ui.panels.inspect import InspectPanel, build_inspect, open_file, show_files, wire_inspect
from lib_ti.ui.panels.library import LibraryPanel, build_library, show_remake, wire_library
from lib_ti.ui.panels.merge import MergePanel, build_merge, wire_merge
from lib_ti.ui.panels.train import TrainPanel, build_train, wire_train
from lib_ti.ui.refresh import Refresh
from lib_ti.ui.view import View, choose, view_of

READ_CHOSEN = "() => [window.tiLab.chosen]"

_ticks = itertools.count(1)


def build_tab(app: App, defaults: Mapping[str, Any] | None = None) -> gr.Blocks:
    """All panels in a Blocks of their own; `defaults` fills Train's fields (and others' that mean the same) by dotted path.

    Needs `javascript/ti_lab.js` and `style.css` on the page, which a WebUI loads by itself and `serve` hands over. Nothing
    of the model or a job is asked for yet: the script does so once the page stands, for a WebUI builds its pages before it
    has loaded a model.
    """
    with compat.blocks(wording.TITLE) as tab, gr.Column(elem_id=ids.ROOT):
        panels = _build_panels(app, defaults or {})
        # Outside the tabs: current gradio does not put the contents of a tab on the page before it is opened.
        _Page(app, panels, _build_machinery()).wire()
    return tab


@dataclass(frozen=True)
class _Panels:
    header: Any
    tabs: Any
    create: CreatePanel
    dataset: DatasetPanel
    train: TrainPanel
    merge: MergePanel
    inspect: InspectPanel
    inspect_tab: Any
    library: LibraryPanel
    library_tab: Any


def _build_panels(app: App, defaults: Mapping[str, Any]) -> _Panels:
    header = compat.html(elem_id=ids.part_id("model"))
    with gr.Tabs(selected="train") as tabs:
        with gr.Tab("Create", id="create"):
            create = build_create(defaults)
        with gr.Tab("Data set", id="dataset"):
            dataset = build_dataset(defaults, app.pictures.captioners())
        with gr.Tab("Train", id="train"):
            train = build_train(defaults, app.templates(), app.host.samplers())
        with gr.Tab("Merge", id="merge"):
            merge = build_merge(defaults)
        with gr.Tab("Inspect", id="inspect") as inspect_tab:
            inspect = build_inspect()
        with gr.Tab("Library", id="library") as library_tab:
            library = build_library()
    return _Panels(header, tabs, create, dataset, train, merge, inspect, inspect_tab, library, library_tab)


@dataclass(frozen=True)
class _Machinery:
    """What nobody sees. The script presses the four buttons, and reads `filling` and `pulse`; `number` is what it reports as
    chosen, a preview or a file. `shown` are the fingerprints of what the page shows, `chosen` is the preview shown large."""

    poll: Any
    load: Any
    choose: Any
    open: Any
    number: Any
    filling: Any
    pulse: Any
    shown: Any
    chosen: Any


def _build_machinery() -> _Machinery:
    with gr.Column(elem_id=ids.MACHINERY):
        return _Machinery(
            poll=compat.button("poll", elem_id=ids.POLL),
            load=compat.button("load", elem_id=ids.LOAD),
            choose=compat.button("choose", elem_id=ids.CHOOSE),
            open=compat.button("open", elem_id=ids.OPEN),
            number=compat.textbox(elem_id=ids.CHOSEN),
            filling=compat.textbox(elem_id=ids.FILLING),
            pulse=compat.html(pulse(), elem_id=ids.PULSE),
            shown=gr.State({}),
            chosen=gr.State(None),
        )


class _Page:
    """The answers of one page that are no single panel's own."""

    def __init__(self, app: App, panels: _Panels, machinery: _Machinery) -> None:
        self.app, self.panels, self.machinery = app, panels, machinery
        self.embeddings, self.pictures = EmbeddingActions(app), DatasetActions(app.pictures)
        self.words = DescribeActions(app.description_job)
        train, dataset, library = panels.train, panels.dataset, panels.library
        describe = dataset.shown.describe
        self.parts = {
            "model": panels.header,
            **train.parts,
            "preparation": dataset.progress,
            "remake": library.remake.result,
            "description": describe.shown,
        }
        self.run_buttons = [train.pause, train.stop, train.save_now, train.preview_now]
        outputs = [machinery.pulse, machinery.shown, *self.parts.values(), train.train, train.resume]
        outputs += [*self.run_buttons, *train.form.faults.values(), *dataset.outputs, *library.outputs]
        outputs += describe.outputs
        inputs = {machinery.shown, machinery.chosen, library.typed}
        self.refresh = Refresh(self.refreshed, inputs, outputs)
        self.filled = [*train.form.components.values(), dataset.shown.folder]
        """What a page that is opened, or built anew, is filled with."""

    def refreshed(self, data: dict[Any, Any]) -> dict[Any, Any]:
        return self.updates(data, data[self.machinery.shown])

    def updates(self, data: dict[Any, Any], shown: Mapping[str, str]) -> dict[Any, Any]:
        """Of all that differs from what is `shown`."""
        view, panels = view_of(self.app, data[self.machinery.chosen]), self.panels
        changed = view.changed(shown)
        active = view.active or view.preparing or view.remaking or view.describing
        result = {
            self.machinery.pulse: compat.show(pulse(next(_ticks), active)),
            self.machinery.shown: view.fingerprints,
        }
        result |= {self.parts[name]: compat.show(html) for name, html in view.parts.items() if name in changed}
        if "buttons" in changed:
            result |= self._buttons(view)
        if "preparing" in changed:
            result |= show_ending(panels.dataset, self.pictures)
        if "describing" in changed:
            result |= show_description(panels.dataset.shown.describe, self.words)
        if "remaking" in changed and view.remake:
            typed = str(data[panels.library.typed] or "")
            result |= show_remake(panels.library, self.embeddings, view.remaking, typed)
        if "ending" in changed and self.app.jobs.current and not view.active:
            result |= panels.train.form.show_faults(faults_of(self.app.jobs.current.error))
        return result

    def _buttons(self, view: View) -> dict[Any, Any]:
        train = self.panels.train
        result = {button: gr.update(interactive=not view.active) for button in (train.train, train.resume)}
        result |= {button: gr.update(interactive=view.active) for button in self.run_buttons}
        result[train.pause] = gr.update(value=view.pause_label, interactive=view.active)
        return result

    def opened(self, data: dict[Any, Any]) -> dict[Any, Any]:
        # A tick to overwrite was for that run alone.
        submitted = {path: value for path, value in self.app.submitted.items() if path != "embedding.overwrite"}
        updates = {**self.panels.train.form.fill(submitted), **self.updates(data, {})}
        # By way of the script: this answer may be late, and what the user has typed by then must stay.
        values = [(field.value, updates.pop(field, {}).get("value", field.value)) for field in self.filled]
        return {**updates, self.machinery.filling: json.dumps(values)}

    def choose(self, data: dict[Any, Any]) -> dict[Any, Any]:
        """Show the preview large."""
        chosen = choose(self.app, str(data[self.machinery.number]))
        view = view_of(self.app, chosen)
        large = {self.parts[name]: compat.show(view.parts[name]) for name in ("preview", "strip")}
        return {self.machinery.chosen: chosen, **large}

    def open(self, data: dict[Any, Any]) -> dict[Any, Any]:
        """Show the file in Inspect."""
        file = str(data[self.machinery.number])
        return {**open_file(self.panels.inspect, self.embeddings, file), **self.go_to("inspect")}

    def list_files(self, data: dict[Any, Any]) -> dict[Any, Any]:
        return show_files(self.panels.inspect, self.embeddings)

    def go_to(self, panel: str) -> dict[Any, Any]:
        return {self.panels.tabs: gr.update(selected=panel)}

    def wire(self) -> None:
        panels, machinery, refresh = self.panels, self.machinery, self.refresh
        compat.on(machinery.poll.click, refresh.answer, refresh.inputs, refresh.outputs)
        compat.on(machinery.load.click, self.opened, refresh.inputs, [*refresh.outputs, machinery.filling])
        fields, fill = self.filled, "(...now) => window.tiLab.fill(...now)"
        compat.on(machinery.filling.change, None, [machinery.filling, *fields], fields, js=fill)
        # The script knows which preview or embedding was clicked; a single input, because a set has no order for it to answer in.
        number, large = {machinery.number}, [machinery.chosen, self.parts["preview"], self.parts["strip"]]
        compat.on(machinery.choose.click, self.choose, number, large, js=READ_CHOSEN)
        opens = [*panels.inspect.opened, panels.tabs]
        compat.on(machinery.open.click, self.open, number, opens, js=READ_CHOSEN, queue=True)
        offered = [panels.inspect.form.components[path] for path in ("file", "other")]
        compat.on(panels.inspect_tab.select, self.list_files, number, offered)

        actions, train = Actions(self.app), panels.train.form
        wire_create(panels.create, actions, train)
        wire_dataset(panels.dataset, self.pictures, train, self.go_to, refresh)
        forms = {"train": train, "create": panels.create.form, "merge": panels.merge.form}
        shown, from_pictures = panels.dataset.shown, panels.train.from_pictures
        wire_describe(shown.describe, self.words, shown.folder, forms, from_pictures, self.go_to, refresh)
        wire_train(panels.train, actions, refresh)
        wire_merge(panels.merge, self.embeddings, train, self.go_to)
        wire_inspect(panels.inspect, self.embeddings, panels.merge.form, self.go_to)
        wire_library(panels.library, self.embeddings, panels.library_tab, refresh)
