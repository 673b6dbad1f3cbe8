"""The part of a panel that remakes files for the loaded model: where they go, the button, and what came of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import gradio as gr

from lib_ti.config.embeddings import RemakeConfig
from lib_ti.ui import compat, ids, wording
from lib_ti.ui.actions.train import Outcome
from lib_ti.ui.form import Form
from lib_ti.ui.html.markup import NOTHING


@dataclass(frozen=True)
class RemakePanel:
    form: Form
    make: Any
    stop: Any
    notice: Any
    result: Any

    @property
    def told(self) -> list[Any]:
        """What `tell` updates."""
        return [self.notice, *self.form.faults.values(), *self.form.once]

    def tell(self, outcome: Outcome) -> dict[Any, Any]:
        """Why nothing could be begun, if so."""
        refusal, spent = (NOTHING, self.form.spend()) if outcome.good else (outcome.html, {})
        return {self.notice: compat.show_if_any(refusal), **self.form.show_faults(outcome.faults), **spent}

    @property
    def shown(self) -> list[Any]:
        """What `show` updates."""
        return [self.result, *self.told]

    def show(self, outcome: Outcome) -> dict[Any, Any]:
        """What came of it, good or bad."""
        result = outcome.html if outcome.good else NOTHING
        return {self.result: compat.show_if_any(result), **self.tell(outcome)}


def build_remake(panel: str, label: str, job: bool = False) -> RemakePanel:
    """`panel` tells the ids of two such parts apart. One that starts a `job` can also stop it."""
    form = Form(panel, RemakeConfig, {})
    form.row("name", "folder", "overwrite")
    with gr.Row(elem_classes=[ids.BUTTONS]):
        make = compat.button(label, size="sm", elem_id=ids.part_id(f"make_{panel}"))
        about: dict[str, Any] = {"interactive": False, "visible": job, "size": "sm"}
        stop = compat.button(wording.STOP, elem_id=ids.part_id(f"stop_{panel}"), **about)
    notice = compat.html(visible=False, elem_id=ids.part_id(f"not_made_{panel}"))
    result = compat.html(visible=job, elem_id=ids.part_id(f"made_{panel}"))
    form.answers = [notice] if job else [notice, result]
    form.wire_answers()
    return RemakePanel(form, make, stop, notice, result)
