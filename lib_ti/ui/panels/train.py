"""The Train panel: build, then wire; and its button that takes preview settings from the WebUI's txt2img tab."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import gradio as gr

from lib_ti.config.train import TrainConfig
from lib_ti.ui import compat, ids, wording
from lib_ti.ui.actions.train import Actions, preview_schedule
from lib_ti.ui.form import Form, small_button
from lib_ti.ui.refresh import Refresh
from lib_ti.ui.view import PARTS

NUMBERS = {
    "steps": "preview.steps",
    "cfg": "preview.cfg",
    "seed": "preview.seed",
    "width": "preview.width",
    "height": "preview.height",
}


def add_txt2img_button(form: Form) -> None:
    """The style sheet hides it where there is no txt2img. The script's answer comes in place of the preview prompt."""
    button = compat.button(wording.READ_TXT2IMG, size="sm", elem_id=ids.part_id("txt2img_button"))
    prompt = form.components["preview.prompt"]
    fields = ["preview.prompt", "preview.negative", "preview.sampler", *NUMBERS.values()]
    outputs = [form.components[path] for path in fields]

    def fill(data: dict[Any, Any]) -> dict[Any, Any]:
        return form.fill(read_txt2img(str(data[prompt] or "{}")))

    compat.on(button.click, fill, {prompt}, outputs, js="() => [window.tiLab.txt2img()]")


def read_txt2img(report: str) -> dict[str, Any]:
    """Our preview settings by path, of the script's JSON; what the WebUI does not show is left out."""
    shown: dict[str, str] = json.loads(report)
    values: dict[str, Any] = {"preview.prompt": shown.get("prompt", ""), "preview.negative": shown.get("negative", "")}
    if sampler := shown.get("sampler", ""):
        schedule = shown.get("scheduler", "")
        values["preview.sampler"] = sampler if schedule in ("", "Automatic") else f"{sampler} {schedule}"
    for name, path in NUMBERS.items():
        try:
            number = float(shown.get(name, ""))
        except ValueError:
            continue
        values[path] = int(number) if number.is_integer() else number
    return values


SECTIONS: dict[str, tuple[tuple[str, ...], ...]] = {
    "Pictures and captions": (
        ("data.fit",),
        ("data.latent_sampling",),
        ("data.shuffle_tags", "data.alpha_weight"),
        ("data.tag_dropout", "data.keep_tags"),
        ("data.word_regex", "data.join_words"),
    ),
    "Previews": (
        ("preview.prompt",),
        ("preview.negative",),
        ("preview.sampler", "preview.steps", "preview.cfg"),
        ("preview.seed", "preview.width", "preview.height"),
    ),
    "Optimizer and loss": (
        ("optim.clip", "optim.clip_at"),
        ("optim.weight_decay", "optim.beta1"),
        ("optim.beta2", "optim.epsilon"),
        ("loss.weighting",),
        ("loss.snr_gamma", "loss.noise_offset"),
        ("loss.stratified",),
    ),
    "Files and logs": (
        ("save.format", "save.csv_every"),
        ("save.folder",),
        ("save.log_folder",),
        ("save.in_previews", "save.card", "save.tensorboard"),
        ("save.optim",),
    ),
    "Seed, memory and speed": (
        ("run.seed", "run.clip_skip", "optim.micro_batch"),
        ("run.checkpointing", "run.offload_images"),
        ("run.networks",),
    ),
}
"""What is folded away. `embedding.resume` is the button "Resume last run" instead of a field."""


@dataclass(frozen=True)
class TrainPanel:
    form: Form
    schedule: Any
    notice: Any
    parts: dict[str, Any]
    train: Any
    resume: Any
    check: Any
    stop: Any
    pause: Any
    save_now: Any
    preview_now: Any


def build_train(defaults: Mapping[str, Any], templates: Sequence[str], samplers: Sequence[str]) -> TrainPanel:
    form = Form("train", TrainConfig, defaults, {"data.template": templates, "preview.sampler": samplers})
    with gr.Row(elem_id=ids.part_id("actions")):
        train = small_button(wording.TRAIN, "train", variant="primary", scale=2)
        resume, check = small_button(wording.RESUME, "resume", min_width=136), small_button(wording.CHECK, "check")
        pause = small_button(wording.PAUSE, "pause", interactive=False)
        stop = small_button(wording.STOP, "stop", interactive=False)
        save_now = small_button(wording.SAVE_NOW, "save_now", interactive=False)
        preview_now = small_button(wording.PREVIEW_NOW, "preview_now", interactive=False)
    notice = compat.html(visible=False, elem_id=ids.part_id("notice"))
    with gr.Row(elem_id=ids.part_id("train_panel")):
        with gr.Column(scale=5, min_width=280, elem_id=ids.part_id("settings")):
            schedule = _build_settings(form)
        with gr.Column(scale=6, min_width=280, elem_id=ids.part_id("run")):
            shown = {name: compat.html(elem_id=ids.part_id(name)) for name in PARTS if name != "model"}
    return TrainPanel(form, schedule, notice, shown, train, resume, check, stop, pause, save_now, preview_now)


def _build_settings(form: Form) -> Any:
    form.row("embedding.name", "embedding.vectors")
    form.field("embedding.init")
    form.field("data.folder")
    form.row("data.template")
    form.row("data.width", "data.height")
    form.field("optim.lr")
    begin = preview_schedule(form.default("optim.lr"), form.default("optim.steps"))
    schedule = compat.html(begin.html, elem_id=ids.part_id("schedule"))
    form.row("optim.steps", "optim.batch_size", "optim.accumulation")
    form.row("preview.every", "save.every")
    form.field("embedding.overwrite")
    for title, rows in SECTIONS.items():
        with gr.Accordion(title, open=False):
            for row in rows:
                form.row(*row)
            if title == "Previews":
                add_txt2img_button(form)
    return schedule


def wire_train(panel: TrainPanel, actions: Actions, refresh: Refresh) -> None:
    form = panel.form
    faults = list(form.faults.values())

    def start(resume: bool) -> compat.Action:
        def action(data: dict[Any, Any]) -> dict[Any, Any]:
            outcome = actions.train(form.values(data), resume)
            # The refresh comes last: a job that failed at once has faults of its own to show.
            return {panel.notice: compat.show_if_any(outcome.html), **form.show_faults(outcome.faults), **refresh(data)}

        return action

    def check(data: dict[Any, Any]) -> dict[Any, Any]:
        outcome = actions.check(form.values(data))
        updates = {panel.notice: compat.show_if_any(outcome.html), **form.show_faults(outcome.faults)}
        if outcome.plan:
            updates[panel.parts["plan"]] = compat.show(outcome.plan)
        return updates

    def control(action: Callable[[], None]) -> compat.Action:
        def pressed(data: dict[Any, Any]) -> dict[Any, Any]:
            action()
            return refresh(data)

        return pressed

    def show_schedule(data: dict[Any, Any]) -> dict[Any, Any]:
        outcome = preview_schedule(data[form.components["optim.lr"]], data[form.components["optim.steps"]])
        fault = form.show_faults(outcome.faults)[form.faults["optim.lr"]]
        return {panel.schedule: compat.show(outcome.html), form.faults["optim.lr"]: fault}

    everything = list(dict.fromkeys([*refresh.outputs, panel.notice, *faults]))
    compat.on(panel.train.click, start(resume=False), form.inputs | refresh.inputs, everything)
    compat.on(panel.resume.click, start(resume=True), form.inputs | refresh.inputs, everything)
    compat.on(panel.check.click, check, form.inputs, [panel.notice, panel.parts["plan"], *faults], queue=True)
    for button, action in (
        (panel.stop, actions.stop),
        (panel.pause, actions.pause_or_continue),
        (panel.save_now, actions.save_now),
        (panel.preview_now, actions.preview_now),
    ):
        compat.on(button.click, control(action), refresh.inputs, refresh.outputs)
    rate, steps = form.components["optim.lr"], form.components["optim.steps"]
    for field in (rate, steps):
        compat.on(field.change, show_schedule, {rate, steps}, [panel.schedule, form.faults["optim.lr"]], typing=True)
