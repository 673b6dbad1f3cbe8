"""The Library panel: build, then wire."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import gradio as gr

from lib_ti.ui import compat, ids, wording
from lib_ti.ui.again_panel import AgainPanel, build_again
from lib_ti.ui.embedding_actions import EmbeddingActions

PACE = 0.5
"""Seconds between two updates of the progress: of updates that come close together, gradio 6 may show the first alone."""


@dataclass(frozen=True)
class LibraryPanel:
    typed: Any
    refresh: Any
    shown: Any
    again: AgainPanel


def build_library() -> LibraryPanel:
    with gr.Column(elem_id=ids.part_id("library_panel")):
        with gr.Row(elem_classes=[ids.FIELDS, ids.BUTTONS]):
            typed = compat.textbox(
                label=wording.FILTER,
                info=wording.FILTER_HELP,
                lines=1,
                max_lines=1,
                scale=8,
                elem_id=ids.part_id("filter"),
            )
            refresh = compat.button(wording.REFRESH, scale=1, min_width=110, size="sm", elem_id=ids.part_id("refresh"))
        with gr.Accordion(wording.MAKE_AGAIN, open=False, elem_id=ids.part_id("library_again")):
            compat.html(f'<p class="ti_lab_soft">{wording.AGAIN_HELP}</p>')
            again = build_again("again_all", wording.MAKE_LISTED_AGAIN)
        shown = compat.html(elem_id=ids.part_id("library"))
    return LibraryPanel(typed, refresh, shown, again)


def wire_library(panel: LibraryPanel, actions: EmbeddingActions, tab: Any) -> None:
    """`tab` holds the panel: whoever opens it sees the folder as it is now."""

    def show(quick: bool) -> Callable[[dict[Any, Any]], dict[Any, Any]]:
        def shown(data: dict[Any, Any]) -> dict[Any, Any]:
            return {panel.shown: gr.update(value=actions.library(str(data[panel.typed] or ""), quick))}

        return shown

    def make_again(data: dict[Any, Any]) -> Iterator[dict[Any, Any]]:
        typed, form = str(data[panel.typed] or ""), panel.again.form
        told, shown = time.monotonic(), dict[Any, Any]()
        for outcome in actions.again.listed(typed, form.values(data)):
            shown = panel.again.show(outcome)
            if time.monotonic() - told >= PACE:
                told = time.monotonic()
                yield shown
        time.sleep(max(0.0, told + PACE - time.monotonic()))
        yield {**shown, panel.shown: gr.update(value=actions.library(typed))}

    made = [*panel.again.shown, panel.shown]
    compat.on(panel.again.make.click, make_again, panel.again.form.inputs | {panel.typed}, made, queue=True)
    compat.on(panel.typed.change, show(quick=True), {panel.typed}, [panel.shown], typing=True)
    for event in (panel.refresh.click, tab.select):
        compat.on(event, show(quick=False), {panel.typed}, [panel.shown])
