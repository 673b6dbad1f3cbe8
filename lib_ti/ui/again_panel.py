"""The part of a panel that makes files again for the loaded model: where they go, and the button."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from lib_ti.config.again import AgainConfig
from lib_ti.ui import compat, ids
from lib_ti.ui.form import Form


@dataclass(frozen=True)
class AgainPanel:
    form: Form
    make: Any
    result: Any

    @property
    def shown(self) -> list[Any]:
        """What a press of the button updates."""
        return [self.result, *self.form.faults.values()]


def build_again(panel: str, label: str) -> AgainPanel:
    """`panel` tells the ids of two such parts apart."""
    form = Form(panel, AgainConfig, {})
    form.row("name", "folder", "overwrite")
    make = compat.button(label, size="sm", elem_id=ids.part_id(f"make_{panel}"))
    return AgainPanel(form, make, compat.html(elem_id=ids.part_id(f"made_{panel}")))
