"""A WebUI's "Reload UI" builds the page anew: what was typed would be lost, and the run out of sight."""

import json
from typing import Any

import pytest
from fake_app import FakeApp

from lib_ti.ui import compat, ids
from lib_ti.ui.actions.train import Actions
from lib_ti.ui.tab import build_tab

OWN_GRADIO = pytest.mark.skipif(compat.MAJOR < 6, reason="the page by itself is made for a current gradio")

SOON = 20.0


class NewPage(dict[Any, Any]):
    """What a browser that has just opened the page sends."""

    def __missing__(self, component: Any) -> Any:
        return {}


@OWN_GRADIO
def test_a_page_built_anew_shows_what_was_submitted_and_the_run(app: FakeApp, values: dict[str, object]):
    build_tab(app)
    assert Actions(app).train({**values, "optim.lr": "0.01:5, 1e-3"}, resume=False).good
    tab = build_tab(app)
    opened = next(function for function in tab.fns.values() if function.name == "opened")
    fill = next(function for function in tab.fns.values() if "tiLab.fill" in str(function.js))
    answer = {component.elem_id: update for component, update in opened.fn(NewPage()).items()}
    filled = json.loads(answer[ids.FILLING])
    shown = {field.elem_id: value for field, (_, value) in zip(fill.outputs, filled, strict=True)}
    for path, value in {**values, "optim.lr": "0.01:5, 1e-3", "embedding.vectors": 1}.items():
        assert shown[ids.field_id("train", path)] == value
    assert "moth" in answer[ids.part_id("progress")]["value"]
    assert app.jobs.current is not None
    assert app.jobs.current.wait(SOON)
