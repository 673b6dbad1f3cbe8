"""What the buttons do, without gradio: values by dotted path in, what to show out."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from lib_ti.app import App
from lib_ti.config.embeddings import CreateConfig
from lib_ti.config.options import build_config, labels
from lib_ti.config.schedule import parse_schedule
from lib_ti.config.train import TrainConfig
from lib_ti.errors import Fault, InvalidText, TIError
from lib_ti.errors import faults_of as faults_of
from lib_ti.events import Failed
from lib_ti.ui import wording
from lib_ti.ui.html import notices, run
from lib_ti.ui.html.markup import NOTHING, Html


@dataclass(frozen=True)
class Outcome:
    """`html` for the panel's notice or result (empty clears it), `faults` for beside their fields."""

    html: Html = NOTHING
    faults: tuple[Fault, ...] = ()
    good: bool = False


@dataclass(frozen=True)
class Drawn:
    """The seed that a Check has drawn for a form that asks for a random one, and that form's values."""

    values: Mapping[str, Any]
    seed: int


@dataclass(frozen=True)
class Checked(Outcome):
    plan: Html = NOTHING
    drawn: Drawn | None = None


class Actions:
    def __init__(self, app: App) -> None:
        self.app = app

    def create(self, values: Mapping[str, Any]) -> Outcome:
        try:
            result = self.app.create(build_config(CreateConfig, values))
        except TIError as error:
            return refused(error, CreateConfig)
        return Outcome(notices.results([result], wording.CREATED_NEXT), good=True)

    def check(self, values: Mapping[str, Any], drawn: Drawn | None = None) -> Checked:
        """`drawn` by the Check before."""
        drawn = drawn if drawn and drawn.values == values else Drawn(values, secrets.randbelow(2**31))
        try:
            plan = self.app.plan(_with_seed(build_config(TrainConfig, values), values, drawn))
        except TIError as error:
            outcome = refused(error, TrainConfig)
            return Checked(outcome.html, outcome.faults)
        return Checked(plan=run.plan(plan.lines(), plan.warnings, wording.CHECK_PASSED), drawn=drawn, good=True)

    def train(self, values: Mapping[str, Any], resume: bool, drawn: Drawn | None = None) -> Outcome:
        """With the seed that the Check before has `drawn` and shown, where nothing in the form has changed since."""
        try:
            config = build_config(TrainConfig, {**values, "embedding.resume": resume})
            self.app.start_training(_with_seed(config, values, drawn))
        except TIError as error:
            return refused(error, TrainConfig)
        self.app.submitted |= {"run.seed": config.run.seed}  # as it was typed, for a page that is built anew
        return Outcome(good=True)

    def stop(self) -> None:
        if self.app.jobs.current:
            self.app.jobs.current.control.stop()

    def pause_or_continue(self) -> None:
        if self.app.jobs.current:
            control = self.app.jobs.current.control
            control.resume() if control.paused else control.pause()

    def save_now(self) -> None:
        if self.app.jobs.current:
            self.app.jobs.current.control.save_now()

    def preview_now(self) -> None:
        if self.app.jobs.current:
            self.app.jobs.current.control.preview_now()


def _with_seed(config: TrainConfig, values: Mapping[str, Any], drawn: Drawn | None) -> TrainConfig:
    if config.run.seed >= 0 or drawn is None or drawn.values != values:
        return config
    return replace(config, run=replace(config.run, seed=drawn.seed))


def refused(error: TIError, config: type) -> Outcome:
    """Every fault in the notice, by its label, since a field may be folded away; and again beside its field."""
    known, faults = labels(config), faults_of(error)
    if not faults:
        message = str(error).removesuffix(error.hint).rstrip()
        return Outcome(notices.failure(Failed(message, error.hint)))
    return Outcome(notices.fault_list(faults, known), tuple(fault for fault in faults if fault.where in known))


def preview_schedule(text: str, steps: Any) -> Outcome:
    """A learning-rate text as it will be used in a run of `steps`, or its fault under a caret."""
    try:
        last = int(steps) if isinstance(steps, (int, float)) and steps >= 1 else 1
        schedule = parse_schedule(str(text or "")).ending(last)
    except InvalidText as error:
        return Outcome(faults=(Fault("optim.lr", str(error)),))
    note = ""
    if schedule.last_step is not None and schedule.last_step < last:
        note = wording.SCHEDULE_ENDS.format(step=schedule.last_step)
    return Outcome(run.schedule(schedule, last, note), good=True)
