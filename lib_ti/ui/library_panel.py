"""The Library panel: build, then wire."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import gradio as gr

from lib_ti.ui import compat, ids, wording
from lib_ti.ui.embedding_actions import EmbeddingActions


@dataclass(frozen=True)
class LibraryPanel:
    typed: Any
    refresh: Any
    shown: Any


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
        shown = compat.html(elem_id=ids.part_id("library"))
    return LibraryPanel(typed, refresh, shown)


def wire_library(panel: LibraryPanel, actions: EmbeddingActions, tab: Any) -> None:
    """`tab` holds the panel: whoever opens it sees the folder as it is now."""

    def show(quick: bool) -> Callable[[dict[Any, Any]], dict[Any, Any]]:
        def shown(data: dict[Any, Any]) -> dict[Any, Any]:
            return {panel.shown: gr.update(value=actions.library(str(data[panel.typed] or ""), quick))}

        return shown

    compat.on(panel.typed.change, show(quick=True), {panel.typed}, [panel.shown])
    for event in (panel.refresh.click, tab.select):
        compat.on(event, show(quick=False), {panel.typed}, [panel.shown])
