"""The tab: its panels, and the refresh that keeps every open page true to the running job."""

from __future__ import annotations

import itertools
import json
from collections.abc import Mapping
from typing import Any

import gradio as gr

from lib_ti.app import App
from lib_ti.ui import compat, ids, wording
from lib_ti.ui.actions.dataset import DatasetActions
from lib_ti.ui.actions.embeddings import EmbeddingActions
from lib_ti.ui.actions.train import Actions, faults_of
from lib_ti.ui.panels.create import build_create, wire_create
from lib_ti.ui.panels.dataset import build_dataset, show_ending, wire_dataset
from lib_ti.ui.panels.inspect import build_inspect, open_file, show_files, wire_inspect
from lib_ti.ui.panels.library import build_library, show_remake, wire_library
from lib_ti.ui.panels.merge import build_merge, wire_merge
from lib_ti.ui.panels.train import TrainPanel, build_train, wire_train
from lib_ti.ui.view import View, choose, view_of

_ticks = itertools.count(1)


def build_tab(app: App, defaults: Mapping[str, Any] | None = None) -> gr.Blocks:
    """All panels in a Blocks of their own; `defaults` fills Train's fields (and others' that mean the same) by dotted path.

    Needs `javascript/ti_lab.js` and `style.css` on the page, which a WebUI loads by itself and `serve` hands over. Nothing
    of the model or a job is asked for yet: the script does so once the page stands, for a WebUI builds its pages before it
    has loaded a model.
    """
    defaults = defaults or {}
    actions, embedding_actions = Actions(app), EmbeddingActions(app)
    dataset_actions = DatasetActions(app.pictures)
    with compat.blocks(wording.TITLE) as tab, gr.Column(elem_id=ids.ROOT):
        header = compat.html(elem_id=ids.part_id("model"))
        with gr.Tabs(selected="train") as panels:
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
        # Outside the tabs: current gradio does not put the contents of a tab on the page before it is opened.
        with gr.Column(elem_id=ids.MACHINERY):
            poll, load = compat.button("poll", elem_id=ids.POLL), compat.button("load", elem_id=ids.LOAD)
            choose_button = compat.button("choose", elem_id=ids.CHOOSE)
            open_button = compat.button("open", elem_id=ids.OPEN)
            chosen_number, filling = compat.textbox(elem_id=ids.CHOSEN), compat.textbox(elem_id=ids.FILLING)
            pulse = compat.html(_pulse(None), elem_id=ids.PULSE)
        shown, chosen = gr.State({}), gr.State(None)

        parts = {"model": header, **train.parts, "prepared": dataset.progress, "remade": library.remake.result}
        page = {shown, chosen, library.typed}
        run_buttons = [train.pause, train.stop, train.save_now, train.preview_now]
        faults = list(train.form.faults.values())
        outputs = [pulse, shown, *parts.values(), train.train, train.resume, *run_buttons, *faults]
        outputs += [*dataset.outputs, *library.outputs]

        def refresh(data: dict[Any, Any]) -> dict[Any, Any]:
            return updates(data, data[shown])

        def updates(data: dict[Any, Any], known: Mapping[str, str]) -> dict[Any, Any]:
            view = view_of(app, data[chosen])
            changed = view.changed(known)
            result = {pulse: _pulse(view), shown: view.fingerprints}
            result |= {parts[name]: gr.update(value=html) for name, html in view.parts.items() if name in changed}
            if "buttons" in changed:
                result |= _buttons(train, view)
            if "preparing" in changed:
                result |= show_ending(dataset, dataset_actions)
            if "remaking" in changed and view.remake:
                result |= show_remake(library, embedding_actions, view.remaking, str(data[library.typed] or ""))
            if "ending" in changed and app.jobs.current and not view.active:
                result |= train.form.show_faults(faults_of(app.jobs.current.error))
            return result

        fields = [*train.form.components.values(), dataset.folder]

        def opened(data: dict[Any, Any]) -> dict[Any, Any]:
            filled = {**train.form.fill(app.submitted), **updates(data, {})}
            # By way of the script: this answer may be late, and what the user has typed by then must stay.
            told = [(field.value, filled.pop(field, {}).get("value", field.value)) for field in fields]
            return {**filled, filling: json.dumps(told)}

        def show_chosen(data: dict[Any, Any]) -> dict[Any, Any]:
            choice = choose(app, str(data[chosen_number]))
            view = view_of(app, choice)
            return {chosen: choice, **{parts[name]: gr.update(value=view.parts[name]) for name in ("preview", "strip")}}

        def go_to(panel: str) -> dict[Any, Any]:
            return {panels: gr.update(selected=panel)}

        def open_chosen(data: dict[Any, Any]) -> dict[Any, Any]:
            return {**open_file(inspect, embedding_actions, str(data[chosen_number])), **go_to("inspect")}

        def list_files(data: dict[Any, Any]) -> dict[Any, Any]:
            return show_files(inspect, embedding_actions)

        compat.on(poll.click, refresh, page, outputs)
        compat.on(load.click, opened, page, [*outputs, filling])
        compat.on(filling.change, None, [filling, *fields], fields, js="(...now) => window.tiLab.fill(...now)")
        # The script knows which preview or embedding was clicked; a single input, because a set has no order for it to answer in.
        large = [chosen, parts["preview"], parts["strip"]]
        compat.on(choose_button.click, show_chosen, {chosen_number}, large, js="() => [window.tiLab.chosen]")
        opens = [*inspect.opened, panels]
        compat.on(open_button.click, open_chosen, {chosen_number}, opens, js="() => [window.tiLab.chosen]", queue=True)
        offered = [inspect.form.components["file"], inspect.form.components["other"]]
        compat.on(inspect_tab.select, list_files, {chosen_number}, offered)
        wire_create(create, actions, train.form)
        wire_dataset(dataset, dataset_actions, train.form, panels, refresh, page, outputs)
        wire_train(train, actions, refresh, page, outputs)
        wire_merge(merge, embedding_actions, train.form, go_to)
        wire_inspect(inspect, embedding_actions, merge.form, go_to)
        wire_library(library, embedding_actions, library_tab, refresh, page, outputs)
    return tab


def _pulse(view: View | None) -> str:
    """What the script reads: that an answer has come, and whether to ask again soon."""
    if view is None:
        return '<i data-tick=""></i>'
    return f'<i data-tick="{next(_ticks)}" data-active="{int(view.active or view.preparing or view.remaking)}"></i>'


def _buttons(train: TrainPanel, view: View) -> dict[Any, Any]:
    result = {button: gr.update(interactive=not view.active) for button in (train.train, train.resume)}
    result |= {button: gr.update(interactive=view.active) for button in (train.stop, train.save_now, train.preview_now)}
    result[train.pause] = gr.update(value=view.pause_label, interactive=view.active)
    return result
