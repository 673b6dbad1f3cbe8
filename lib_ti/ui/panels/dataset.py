"""The Data set panel: build, then wire."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import gradio as gr

from lib_ti.config.dataset import FILE_NAMES, DatasetConfig
from lib_ti.ui import compat, ids, wording
from lib_ti.ui.actions.dataset import DatasetActions
from lib_ti.ui.form import Form

STEPS: dict[str, tuple[tuple[str, ...], ...]] = {
    "split": (("split.threshold", "split.overlap"),),
    "focal": (("focal.face_weight", "focal.entropy_weight", "focal.edges_weight"), ("focal.debug",)),
    "sized": (
        ("sized.min_side", "sized.max_side"),
        ("sized.min_area", "sized.max_area"),
        ("sized.objective", "sized.threshold"),
    ),
}
"""What is done to a picture, in this order, with the fields that appear once it is switched on."""
READ_ALBUM = "() => [JSON.stringify(window.tiLab.album())]"
READ_CAPTIONS = "() => [JSON.stringify(window.tiLab.captions())]"


@dataclass(frozen=True)
class DatasetPanel:
    form: Form
    steps: dict[str, Any]
    prepare: Any
    stop: Any
    notice: Any
    progress: Any
    folder: Any
    show: Any
    validate: Any
    train_here: Any
    validation: Any
    album: Any
    previous: Any
    next: Any
    save: Any
    told: Any

    @property
    def outputs(self) -> list[Any]:
        """What changes when a preparation ends."""
        return [self.prepare, self.stop, self.folder, self.album, self.validation, *self.form.faults.values()]


def build_dataset(defaults: Mapping[str, Any], captioners: list[str]) -> DatasetPanel:
    """`captioners` are the host's."""
    ways = ["", FILE_NAMES, *captioners, *([", ".join(captioners)] if len(captioners) > 1 else [])]
    form = Form("dataset", DatasetConfig, {}, {"captions.by": ways})
    with gr.Row(elem_classes=[ids.BUTTONS]):
        prepare = _button(wording.PREPARE, "prepare", variant="primary", scale=3)
        stop = _button(wording.STOP, "stop_preparing", interactive=False)
    notice = compat.html(visible=False, elem_id=ids.part_id("dataset_notice"))
    with gr.Row(elem_id=ids.part_id("dataset_panel"), elem_classes=[ids.BESIDE]):
        with gr.Column(scale=5, min_width=280, elem_id=ids.part_id("dataset_settings")):
            steps = _build_settings(form)
        with gr.Column(scale=7, min_width=280, elem_id=ids.part_id("dataset_run")):
            progress = compat.html(elem_id=ids.part_id("prepared"))
            with gr.Column(elem_id=ids.part_id("album_settings")):
                folder = compat.textbox(
                    label=wording.FOLDER,
                    info=wording.FOLDER_HELP,
                    value=defaults.get("data.folder", ""),
                    lines=1,
                    max_lines=1,
                    elem_id=ids.part_id("album_folder"),
                )
                with gr.Row(elem_classes=[ids.BUTTONS]):
                    show, validate = _button(wording.SHOW, "show_album"), _button(wording.VALIDATE, "prove")
                    train_here = _button(wording.TRAIN_HERE, "train_here")
            validation = compat.html(visible=False, elem_id=ids.part_id("proof"))
            album = compat.html(elem_id=ids.part_id("album"))
            with gr.Row(elem_classes=[ids.BUTTONS], elem_id=ids.part_id("album_buttons")):
                previous, next_ = _button(wording.PREVIOUS, "previous"), _button(wording.NEXT, "next")
                save = _button(wording.SAVE_CAPTIONS, "save_captions", variant="primary")
            with gr.Column(elem_id=ids.part_id("album_machinery")):
                told = compat.textbox(elem_id=ids.part_id("album_told"))
    buttons = (
        prepare,
        stop,
        notice,
        progress,
        folder,
        show,
        validate,
        train_here,
        validation,
        album,
        previous,
        next_,
        save,
    )
    return DatasetPanel(form, steps, *buttons, told)


def _build_settings(form: Form) -> dict[str, Any]:
    """The columns that appear with their step, by its name."""
    form.field("folders.source")
    form.field("folders.destination")
    form.row("size.width", "size.height")
    columns = {}
    for step, rows in STEPS.items():
        form.field(f"{step}.on")
        with gr.Column(visible=False, elem_classes=[ids.DETAILS]) as columns[step]:
            for row in rows:
                form.row(*row)
    compat.html(f'<p class="ti_lab_group">{wording.FLIPS}</p>')
    form.row("flip.horizontal", "flip.vertical", "flip.both")
    form.row("captions.by", "captions.words")
    form.field("captions.existing")
    form.field("folders.overwrite")
    return columns


def _button(label: str, name: str, **about: Any) -> Any:
    return compat.button(label, **{"elem_id": ids.part_id(f"{name}_button"), "min_width": 96, "size": "sm", **about})


def show_ending(panel: DatasetPanel, actions: DatasetActions) -> dict[Any, Any]:
    """The buttons as the newest preparation has them; once it is over, its faults or its pictures."""
    snapshot = actions.pictures.jobs.snapshot
    updates = {
        panel.prepare: gr.update(interactive=not snapshot.active),
        panel.stop: gr.update(interactive=snapshot.active),
    }
    if not snapshot.active and snapshot.state != "idle":
        updates |= panel.form.show_faults(actions.ending().faults)
    if snapshot.result:
        shown = actions.show(str(snapshot.result))
        updates |= {panel.folder: gr.update(value=str(snapshot.result)), panel.album: gr.update(value=shown.html)}
        updates |= {panel.validation: gr.update(value="", visible=False)}
    return updates


Refresh = Callable[[dict[Any, Any]], dict[Any, Any]]


def wire_dataset(
    panel: DatasetPanel,
    actions: DatasetActions,
    train: Form,
    panels: Any,
    refresh: Refresh,
    page: set[Any],
    outputs: list[Any],
) -> None:
    """`refresh` takes the components of `page` and returns updates for those of `outputs`: the running job, as it is now."""
    form = panel.form

    def prepare(data: dict[Any, Any]) -> dict[Any, Any]:
        outcome = actions.prepare(form.values(data))
        notice = {panel.notice: gr.update(value=outcome.html, visible=bool(outcome.html))}
        return {**notice, **form.show_faults(outcome.faults), **refresh(data)}

    def stop(data: dict[Any, Any]) -> dict[Any, Any]:
        actions.stop()
        return refresh(data)

    def show(data: dict[Any, Any]) -> dict[Any, Any]:
        html = actions.show(str(data[panel.folder] or "")).html
        return {panel.album: gr.update(value=html), panel.validation: gr.update(value="", visible=False)}

    def validate(data: dict[Any, Any]) -> dict[Any, Any]:
        html = actions.validate(str(data[panel.folder] or ""), train.values(data)).html
        return {panel.validation: gr.update(value=html, visible=True)}

    def train_here(data: dict[Any, Any]) -> dict[Any, Any]:
        return {**train.fill({"data.folder": data[panel.folder]}), panels: gr.update(selected="train")}

    def turn(by: int) -> Refresh:
        return lambda data: {panel.album: gr.update(value=actions.turn(str(data[panel.told] or ""), by).html)}

    def save(data: dict[Any, Any]) -> dict[Any, Any]:
        return {panel.album: gr.update(value=actions.save(str(data[panel.told] or "")).html)}

    everything = list(dict.fromkeys([*outputs, panel.notice, *form.faults.values()]))
    compat.on(panel.prepare.click, prepare, form.inputs | page, everything)
    compat.on(panel.stop.click, stop, page, outputs)
    compat.on(panel.show.click, show, {panel.folder}, [panel.album, panel.validation], queue=True)
    compat.on(panel.folder.submit, show, {panel.folder}, [panel.album, panel.validation], queue=True)
    compat.on(panel.validate.click, validate, {panel.folder} | train.inputs, [panel.validation], queue=True)
    compat.on(panel.train_here.click, train_here, {panel.folder}, [train.components["data.folder"], panels])
    for button, action, tell in (
        (panel.previous, turn(-1), READ_ALBUM),
        (panel.next, turn(1), READ_ALBUM),
        (panel.save, save, READ_CAPTIONS),
    ):
        compat.on(button.click, action, {panel.told}, [panel.album], js=tell, queue=True)
    for step, column in panel.steps.items():
        _appear_with(form.components[f"{step}.on"], column)


def _appear_with(switch: Any, column: Any) -> None:
    compat.on(switch.change, lambda data: {column: gr.update(visible=bool(data[switch]))}, {switch}, [column])
