"""The Library panel: build, then wire."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import gradio as gr

from lib_ti.ui import compat, ids, wording
from lib_ti.ui.again_panel import AgainPanel, build_again
from lib_ti.ui.embedding_actions import EmbeddingActions


@dataclass(frozen=True)
class LibraryPanel:
    typed: Any
    refresh: Any
    shown: Any
    again: AgainPanel

    @property
    def outputs(self) -> list[Any]:
        """What changes with a job that makes files again."""
        return [self.again.make, self.again.stop, self.shown]


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
            again = build_again("again_all", wording.MAKE_LISTED_AGAIN, job=True)
        shown = compat.html(elem_id=ids.part_id("library"))
    return LibraryPanel(typed, refresh, shown, again)


def show_remade(panel: LibraryPanel, actions: EmbeddingActions, active: bool, typed: str) -> dict[Any, Any]:
    """The buttons as the newest job that makes files again has them; once it is over, the list as it is by then."""
    buttons = {
        panel.again.make: gr.update(interactive=not active),
        panel.again.stop: gr.update(interactive=active),
    }
    return buttons if active else {**buttons, panel.shown: gr.update(value=actions.library(typed))}


Refresh = Callable[[dict[Any, Any]], dict[Any, Any]]


def wire_library(
    panel: LibraryPanel, actions: EmbeddingActions, tab: Any, refresh: Refresh, page: set[Any], outputs: list[Any]
) -> None:
    """`tab` holds the panel: whoever opens it sees the folder as it is now. `refresh` takes the components of `page` and
    returns updates for those of `outputs`: the running job, as it is now."""

    def show(quick: bool) -> Refresh:
        def shown(data: dict[Any, Any]) -> dict[Any, Any]:
            return {panel.shown: gr.update(value=actions.library(str(data[panel.typed] or ""), quick))}

        return shown

    def make_again(data: dict[Any, Any]) -> dict[Any, Any]:
        outcome = actions.again.start(str(data[panel.typed] or ""), panel.again.form.values(data))
        shown = panel.again.form.show_faults(outcome.faults)
        return {**shown, **(refresh(data) if outcome.good else {panel.again.result: gr.update(value=outcome.html)})}

    def stop(data: dict[Any, Any]) -> dict[Any, Any]:
        actions.again.stop()
        return refresh(data)

    made = list(dict.fromkeys([*panel.again.shown, *outputs]))
    compat.on(panel.again.make.click, make_again, panel.again.form.inputs | page, made)
    compat.on(panel.again.stop.click, stop, page, outputs)
    compat.on(panel.typed.change, show(quick=True), {panel.typed}, [panel.shown], typing=True)
    for event in (panel.refresh.click, tab.select):
        compat.on(event, show(quick=False), {panel.typed}, [panel.shown])
