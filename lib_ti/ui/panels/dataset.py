"""The Data set panel: build, then wire."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import gradio as gr

from lib_ti.config.dataset import FILE_NAMES, DatasetConfig
from lib_ti.ui import compat, ids, wording
from lib_ti.ui.actions.dataset import DatasetActions
from lib_ti.ui.form import Form, outdate, small_button
from lib_ti.ui.html.markup import NOTHING
from lib_ti.ui.html.notices import heading
from lib_ti.ui.panels.describe import DescribePanel, build_describe_settings, build_description
from lib_ti.ui.refresh import Refresh

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
class AlbumPanel:
    """A folder to look at, its pictures and their captions; `report` is what the script reports of these."""

    folder: Any
    show: Any
    validate: Any
    train_here: Any
    validation: Any
    album: Any
    previous: Any
    next: Any
    save: Any
    report: Any
    describe: DescribePanel


@dataclass(frozen=True)
class DatasetPanel:
    form: Form
    steps: dict[str, Any]
    prepare: Any
    stop: Any
    notice: Any
    progress: Any
    shown: AlbumPanel

    @property
    def outputs(self) -> list[Any]:
        """What changes when a preparation ends."""
        shown = self.shown
        return [self.prepare, self.stop, shown.folder, shown.album, shown.validation, *self.form.faults.values()]


def build_dataset(defaults: Mapping[str, Any], captioners: list[str]) -> DatasetPanel:
    """`captioners` are the host's."""
    ways = ["", FILE_NAMES, *captioners, *([", ".join(captioners)] if len(captioners) > 1 else [])]
    form = Form("dataset", DatasetConfig, {}, {"captions.by": ways})
    with gr.Row(elem_classes=[ids.BUTTONS]):
        prepare = small_button(wording.PREPARE, "prepare", variant="primary", scale=3)
        stop = small_button(wording.STOP, "stop_preparing", interactive=False)
    notice = compat.html(visible=False, elem_id=ids.part_id("dataset_notice"))
    with gr.Row(elem_id=ids.part_id("dataset_panel"), elem_classes=[ids.BESIDE]):
        with gr.Column(scale=5, min_width=280, elem_id=ids.part_id("dataset_settings")):
            steps = _build_settings(form)
        with gr.Column(scale=7, min_width=280, elem_id=ids.part_id("dataset_run")):
            progress = compat.html(elem_id=ids.part_id("prepared"))
            shown = _build_album(defaults)
    form.answers = [notice]
    form.wire_answers()
    return DatasetPanel(form, steps, prepare, stop, notice, progress, shown)


def _build_album(defaults: Mapping[str, Any]) -> AlbumPanel:
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
            show = small_button(wording.SHOW, "show_album")
            validate = small_button(wording.VALIDATE, "prove")
            train_here = small_button(wording.TRAIN_HERE, "train_here")
        settings = build_describe_settings()
    describe = build_description(*settings)
    validation = compat.html(visible=False, elem_id=ids.part_id("proof"))
    album = compat.html(elem_id=ids.part_id("album"))
    with gr.Row(elem_classes=[ids.BUTTONS], elem_id=ids.part_id("album_buttons")):
        previous, next_ = small_button(wording.PREVIOUS, "previous"), small_button(wording.NEXT, "next")
        save = small_button(wording.SAVE_CAPTIONS, "save_captions", variant="primary")
    with gr.Column(elem_id=ids.part_id("album_machinery")):
        report = compat.textbox(elem_id=ids.part_id("album_told"))
    return AlbumPanel(folder, show, validate, train_here, validation, album, previous, next_, save, report, describe)


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
    compat.html(heading(wording.FLIPS))
    form.row("flip.horizontal", "flip.vertical", "flip.both")
    form.row("captions.by", "captions.words")
    form.field("captions.existing")
    form.field("folders.overwrite")
    return columns


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
        folder = str(snapshot.result)
        updates |= {
            panel.shown.folder: gr.update(value=folder),
            panel.shown.album: compat.show(actions.show(folder).html),
        }
        updates |= {panel.shown.validation: compat.show_if_any(NOTHING)}
    return updates


def wire_dataset(
    panel: DatasetPanel,
    actions: DatasetActions,
    train: Form,
    go_to: Callable[[str], dict[Any, Any]],
    refresh: Refresh,
) -> None:
    """`go_to` gives the update that shows another panel."""
    form = panel.form

    def prepare(data: dict[Any, Any]) -> dict[Any, Any]:
        outcome = actions.prepare(form.values(data))
        told = {panel.notice: compat.show_if_any(outcome.html), **form.show_faults(outcome.faults)}
        return {**told, **(form.spend() if outcome.good else {}), **refresh(data)}

    def stop(data: dict[Any, Any]) -> dict[Any, Any]:
        actions.stop()
        return refresh(data)

    everything = list(dict.fromkeys([*refresh.outputs, panel.notice, *form.faults.values(), *form.once]))
    compat.on(panel.prepare.click, prepare, form.inputs | refresh.inputs, everything)
    compat.on(panel.stop.click, stop, refresh.inputs, refresh.outputs)
    for step, column in panel.steps.items():
        _appear_with(form.components[f"{step}.on"], column)
    _wire_album(panel.shown, actions, train, go_to)


def _appear_with(switch: Any, column: Any) -> None:
    compat.on(switch.change, lambda data: {column: gr.update(visible=bool(data[switch]))}, {switch}, [column])


def _wire_album(
    panel: AlbumPanel, actions: DatasetActions, train: Form, go_to: Callable[[str], dict[Any, Any]]
) -> None:
    def show(data: dict[Any, Any]) -> dict[Any, Any]:
        html = actions.show(str(data[panel.folder] or "")).html
        return {panel.album: compat.show(html), panel.validation: compat.show_if_any(NOTHING)}

    def validate(data: dict[Any, Any]) -> dict[Any, Any]:
        html = actions.validate(str(data[panel.folder] or ""), train.values(data)).html
        return {panel.validation: compat.show_if_any(html)}

    def train_here(data: dict[Any, Any]) -> dict[Any, Any]:
        return {**train.take({"data.folder": data[panel.folder]}), **go_to("train")}

    def turn(by: int) -> compat.Action:
        return lambda data: {panel.album: compat.show(actions.turn(str(data[panel.report] or ""), by).html)}

    def save(data: dict[Any, Any]) -> dict[Any, Any]:
        return {panel.album: compat.show(actions.save(str(data[panel.report] or "")).html)}

    for event in (panel.show.click, panel.folder.submit):
        compat.on(event, show, {panel.folder}, [panel.album, panel.validation], queue=True)
    compat.on(panel.validate.click, validate, {panel.folder} | train.inputs, [panel.validation], queue=True)
    compat.on(panel.train_here.click, train_here, {panel.folder}, [*train.taken, *go_to("train")])
    about = [widget for path, widget in train.components.items() if path.startswith("data.")]
    for field in (panel.folder, train.components["embedding.name"], *about):
        outdate(field, [panel.validation])
    for button, action, read in (
        (panel.previous, turn(-1), READ_ALBUM),
        (panel.next, turn(1), READ_ALBUM),
        (panel.save, save, READ_CAPTIONS),
    ):
        compat.on(button.click, action, {panel.report}, [panel.album], js=read, queue=True)
