"""The Train panel: build, then wire; and its button that takes preview settings from the WebUI's txt2img tab."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import gradio as gr

from lib_ti.config.options import walk_options
from lib_ti.config.presets import PRESETS, whole_preset
from lib_ti.config.train import TrainConfig
from lib_ti.ui import compat, ids, wording
from lib_ti.ui.actions.train import Actions, Outcome, preview_schedule
from lib_ti.ui.form import Form, small_button
from lib_ti.ui.html.markup import NOTHING, Html
from lib_ti.ui.refresh import Refresh
from lib_ti.ui.view import PARTS

NUMBERS = {
    "steps": "preview.steps",
    "cfg": "preview.cfg",
    "seed": "preview.seed",
    "width": "preview.width",
    "height": "preview.height",
}


def wire_txt2img(button: Any, form: Form) -> None:
    """The script's answer comes in place of the preview prompt."""
    prompt = form.components["preview.prompt"]

    def fill(data: dict[Any, Any]) -> dict[Any, Any]:
        return form.take(read_txt2img(str(data[prompt] or "{}")))

    compat.on(button.click, fill, {prompt}, form.taken, js="() => [window.tiLab.txt2img()]")


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


FIRST_PRESET = "automatic"
"""What a newcomer finds chosen."""

SECTIONS: dict[str, tuple[tuple[str, ...], ...]] = {
    "Pictures and captions": (
        ("data.more",),
        ("data.repeats",),
        ("data.fit",),
        ("data.latent_sampling",),
        ("data.flip", "data.crops"),
        ("data.shuffle_tags", "data.alpha_weight", "data.masks"),
        ("data.mask_folder",),
        ("data.tag_dropout", "data.keep_tags"),
        ("data.word_regex", "data.join_words"),
        ("data.caption_prefix", "data.caption_suffix"),
        ("data.wildcards",),
        ("data.class_folder",),
        ("data.class_word",),
    ),
    "Further and negative embeddings": (
        ("embedding.more",),
        ("data.name",),
        ("embedding.negative", "loss.guidance"),
    ),
    "Previews": (
        ("preview.prompt",),
        ("preview.negative",),
        ("preview.sampler", "preview.steps", "preview.cfg"),
        ("preview.seed", "preview.width", "preview.height"),
    ),
    "Optimizer and loss": (
        ("optim.name", "optim.encoders"),
        ("optim.length", "optim.cap"),
        ("optim.clip", "optim.clip_at"),
        ("optim.weight_decay", "optim.beta1"),
        ("optim.beta2", "optim.epsilon"),
        ("loss.weighting",),
        ("loss.snr_gamma", "loss.noise_offset"),
        ("loss.stratified", "loss.timestep_min", "loss.timestep_max"),
        ("loss.prediction",),
        ("loss.prior_weight", "loss.context_weight"),
        ("loss.context",),
    ),
    "Measuring and end": (
        ("measure.every", "measure.samples", "measure.held_out"),
        ("measure.best",),
        ("measure.end", "measure.gain"),
        ("measure.noise",),
    ),
    "Files and logs": (
        ("save.format", "save.csv_every", "save.keep"),
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
    """`checked` is the plan that Check shows, and `drawn` the seed that is in it."""

    form: Form
    schedule: Any
    txt2img: Any
    from_pictures: Any
    notice: Any
    checked: Any
    drawn: Any
    parts: dict[str, Any]
    train: Any
    resume: Any
    check: Any
    stop: Any
    pause: Any
    save_now: Any
    preview_now: Any


def build_train(defaults: Mapping[str, Any], templates: Sequence[str], samplers: Sequence[str]) -> TrainPanel:
    """`defaults` are the user's own, by dotted path; they go over the preset for newcomers."""
    defaults = {"run.preset": FIRST_PRESET, **PRESETS[FIRST_PRESET], **defaults}
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
            schedule, txt2img, from_pictures = _build_settings(form)
        with gr.Column(scale=6, min_width=280, elem_id=ids.part_id("run")):
            checked = compat.html(visible=False, elem_id=ids.part_id("checked"))
            shown = {name: compat.html(elem_id=ids.part_id(name)) for name in PARTS if name != "model"}
    form.answers = [notice, checked]
    form.wire_answers(checked=["optim.lr"])
    seen = (schedule, txt2img, from_pictures, notice, checked, gr.State(None), shown)
    return TrainPanel(form, *seen, train, resume, check, stop, pause, save_now, preview_now)


def _build_settings(form: Form) -> tuple[Any, Any, Any]:
    """Where the schedule is shown; the button for txt2img, which the style sheet hides where there is none; and the one that
    finds words for the pictures."""
    form.field("run.preset")
    form.row("embedding.name", "embedding.vectors")
    form.field("embedding.init")
    form.field("data.folder")
    from_pictures = small_button(wording.FROM_PICTURES, "from_pictures")
    form.row("data.template")
    form.row("data.width", "data.height")
    form.field("optim.lr")
    begin = preview_schedule(form.default("optim.lr"), form.default("optim.steps"))
    schedule = compat.html(begin.html, elem_id=ids.part_id("schedule"))
    form.row("optim.steps", "optim.epochs")
    form.row("optim.batch_size", "optim.accumulation")
    form.row("preview.every", "save.every")
    form.field("embedding.overwrite")
    for title, rows in SECTIONS.items():
        with gr.Accordion(title, open=False):
            for row in rows:
                form.row(*row)
            if title == "Previews":
                txt2img = compat.button(wording.READ_TXT2IMG, size="sm", elem_id=ids.part_id("txt2img_button"))
    return schedule, txt2img, from_pictures


def wire_train(panel: TrainPanel, actions: Actions, refresh: Refresh) -> None:
    form = panel.form
    faults = list(form.faults.values())
    plain = {path: default for path, _, default, _ in walk_options(TrainConfig)}

    def start(resume: bool) -> compat.Action:
        def action(data: dict[Any, Any]) -> dict[Any, Any]:
            outcome = actions.train(form.values(data), resume, data[panel.drawn])
            spent = {**form.spend(), panel.drawn: None} if outcome.good else {}
            # The refresh comes last: a job that failed at once has faults of its own to show.
            return {**tell(outcome), **spent, **refresh(data)}

        return action

    def check(data: dict[Any, Any]) -> dict[Any, Any]:
        outcome = actions.check(form.values(data), data[panel.drawn])
        return {**tell(outcome, outcome.plan), panel.drawn: outcome.drawn}

    def tell(outcome: Outcome, plan: Html = NOTHING) -> dict[Any, Any]:
        """In the place of whatever was told before."""
        told = {panel.notice: compat.show_if_any(outcome.html), panel.checked: compat.show_if_any(plan)}
        return {**told, **form.show_faults(outcome.faults)}

    def control(action: Callable[[], None]) -> compat.Action:
        def pressed(data: dict[Any, Any]) -> dict[Any, Any]:
            action()
            return refresh(data)

        return pressed

    def fill_preset(data: dict[Any, Any]) -> dict[Any, Any]:
        return form.take(whole_preset(data[preset], plain))

    def show_schedule(data: dict[Any, Any]) -> dict[Any, Any]:
        outcome = preview_schedule(data[form.components["optim.lr"]], data[form.components["optim.steps"]])
        fault = form.show_faults(outcome.faults)[form.faults["optim.lr"]]
        return {panel.schedule: compat.show(outcome.html), form.faults["optim.lr"]: fault}

    told, asked = [*form.answers, panel.drawn, *faults], form.inputs | {panel.drawn}
    everything = list(dict.fromkeys([*refresh.outputs, *told, *form.once]))
    compat.on(panel.train.click, start(resume=False), asked | refresh.inputs, everything)
    compat.on(panel.resume.click, start(resume=True), asked | refresh.inputs, everything)
    compat.on(panel.check.click, check, asked, told, queue=True)
    wire_txt2img(panel.txt2img, form)
    for button, action in (
        (panel.stop, actions.stop),
        (panel.pause, actions.pause_or_continue),
        (panel.save_now, actions.save_now),
        (panel.preview_now, actions.preview_now),
    ):
        compat.on(button.click, control(action), refresh.inputs, refresh.outputs)
    preset = form.components["run.preset"]
    compat.on(preset.input, fill_preset, {preset}, form.taken)
    rate, steps = form.components["optim.lr"], form.components["optim.steps"]
    for field in (rate, steps):
        compat.on(field.change, show_schedule, {rate, steps}, [panel.schedule, form.faults["optim.lr"]], typing=True)
