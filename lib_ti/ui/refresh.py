"""How a panel asks for the page as it is now, in the same answer that shows what its own button did."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from lib_ti.ui.compat import Action


@dataclass(frozen=True)
class Refresh:
    """`answer` takes the values of `inputs` and returns updates of `outputs`: what differs on the page from the running jobs."""

    answer: Action
    inputs: set[Any]
    outputs: list[Any]

    def __call__(self, data: dict[Any, Any]) -> dict[Any, Any]:
        return self.answer(data)
