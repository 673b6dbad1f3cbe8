"""The Library panel: build, then wire."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import gradio as gr

from lib_ti.ui import compat, ids, wording
from lib_ti.ui.actions.embeddings import EmbeddingActions
from lib_ti.ui.html.notices import soft
from lib_ti.ui.panels.remake import RemakePanel, build_remake
from lib_ti.ui.refresh import Refresh


@dataclass(frozen=True)
class LibraryPanel:
    typed: Any
    refresh: Any
    shown: Any
    remake: RemakePanel

    @property
    def outputs(self) -> list[Any]:
        """What changes with a job that remakes files."""
        return [self.remake.make, self.remake.stop, self.shown]


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
        with gr.Accordion(wording.REMAKE, open=False, elem_id=ids.part_id("library_again")):
            compat.html(soft(wording.REMAKE_HELP))
            remake = build_remake("again_all", wording.REMAKE_LISTED, job=True)
        shown = compat.html(elem_id=ids.part_id("library"))
    return LibraryPanel(typed, refresh, shown, remake)


def show_remake(panel: LibraryPanel, actions: EmbeddingActions, active: bool, typed: str) -> dict[Any, Any]:
    """The buttons as the newest job that remakes files has them; once it is over, the list as it is by then."""
    buttons = {
        panel.remake.make: gr.update(interactive=not active),
        panel.remake.stop: gr.update(interactive=active),
    }
    return buttons if active else {**buttons, panel.shown: compat.show(actions.library(typed))}


def wire_library(panel: LibraryPanel, actions: EmbeddingActions, tab: Any, refresh: Refresh) -> None:
    """`tab` holds the panel: whoever opens it sees the folder as it is now."""

    def show(quick: bool) -> compat.Action:
        def shown(data: dict[Any, Any]) -> dict[Any, Any]:
            return {panel.shown: compat.show(actions.library(str(data[panel.typed] or ""), quick))}

        return shown

    def remake_files(data: dict[Any, Any]) -> dict[Any, Any]:
        outcome = actions.remake.start(str(data[panel.typed] or ""), panel.remake.form.values(data))
        return {**panel.remake.tell(outcome), **(refresh(data) if outcome.good else {})}

    def stop(data: dict[Any, Any]) -> dict[Any, Any]:
        actions.remake.stop()
        return refresh(data)

    everything = list(dict.fromkeys([*panel.remake.told, *refresh.outputs]))
    compat.on(panel.remake.make.click, remake_files, panel.remake.form.inputs | refresh.inputs, everything)
    compat.on(panel.remake.stop.click, stop, refresh.inputs, refresh.outputs)
    compat.on(panel.typed.change, show(quick=True), {panel.typed}, [panel.shown], typing=True)
    for event in (panel.refresh.click, tab.select):
        compat.on(event, show(quick=False), {panel.typed}, [panel.shown])
