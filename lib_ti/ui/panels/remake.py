"""The part of a panel that remakes files for the loaded model: where they go, the button, and what came of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import gradio as gr

from lib_ti.config.embeddings import RemakeConfig
from lib_ti.ui import compat, ids, wording
from lib_ti.ui.actions.train import Outcome
from lib_ti.ui.form import Form


@dataclass(frozen=True)
class RemakePanel:
    form: Form
    make: Any
    stop: Any
    result: Any

    @property
    def shown(self) -> list[Any]:
        """What `show` updates."""
        return [self.result, *self.form.faults.values()]

    def show(self, outcome: Outcome) -> dict[Any, Any]:
        return {self.result: compat.show_if_any(outcome.html), **self.form.show_faults(outcome.faults)}


def build_remake(panel: str, label: str, job: bool = False) -> RemakePanel:
    """`panel` tells the ids of two such parts apart. One that starts a `job` can also stop it."""
    form = Form(panel, RemakeConfig, {})
    form.row("name", "folder", "overwrite")
    with gr.Row(elem_classes=[ids.BUTTONS]):
        make = compat.button(label, size="sm", elem_id=ids.part_id(f"make_{panel}"))
        about: dict[str, Any] = {"interactive": False, "visible": job, "size": "sm"}
        stop = compat.button(wording.STOP, elem_id=ids.part_id(f"stop_{panel}"), **about)
    return RemakePanel(form, make, stop, compat.html(visible=job, elem_id=ids.part_id(f"made_{panel}")))
