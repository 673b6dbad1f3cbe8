"""The only place that knows gradio's versions: 3.41 and 4.40 inside WebUIs, 6 in the standalone tab."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeAlias

import gradio as gr

from lib_ti.ui.html.markup import NOTHING, Html

MAJOR = int(gr.__version__.split(".")[0])

Action: TypeAlias = "Callable[[dict[Any, Any]], dict[Any, Any]]"
"""Takes {component: value} and returns {component: update}; components it leaves out stay as they are."""


def blocks(title: str) -> gr.Blocks:
    return gr.Blocks(title=title, analytics_enabled=False)


def button(label: str, **about: Any) -> gr.Button:
    return _private(gr.Button(label, **about))


def html(value: Html = NOTHING, **about: Any) -> gr.HTML:
    return gr.HTML(str(value), **about)


def show(html: Html) -> Any:
    """The update that puts it into a component of `html`. It goes to the page as a plain `str`: JSON writers know no other."""
    return gr.update(value=str(html))


def show_if_any(html: Html) -> Any:
    """Where there is nothing to show, the component is not on the page."""
    return gr.update(value=str(html), visible=bool(html))


def textbox(**about: Any) -> gr.Textbox:
    return _private(gr.Textbox(**about))


def number(**about: Any) -> gr.Number:
    """Without gradio's own limits, which interrupt with a pop-up: ours appear beside the field."""
    return _private(gr.Number(**about))


def checkbox(**about: Any) -> gr.Checkbox:
    return _private(gr.Checkbox(**about))


def radio(**about: Any) -> gr.Radio:
    return _private(gr.Radio(**about))


def dropdown(**about: Any) -> gr.Dropdown:
    if MAJOR == 3 and about.get("allow_custom_value"):
        about["info"] = f"{about.get('info', '')} Enter keeps what you type.".strip()
    return _private(gr.Dropdown(**about))


def _private(component: Any) -> Any:
    # WebUIs remember each widget's default by its label, so two "Name" fields would share one, and ours would never change.
    component.do_not_save_to_config = True
    return component


def on(
    event: Callable[..., Any],
    action: Action | None,
    inputs: set[Any] | list[Any] | None = None,
    outputs: list[Any] | None = None,
    js: str | None = None,
    queue: bool = False,
    typing: bool = False,
) -> None:
    """Wire `action` to an event such as `button.click`, silently: nothing on the page greys out while it runs.

    `action` takes the values of `inputs` and returns updates of `outputs`. Without an `action`, `js` answers by itself: it takes a list of `inputs` and returns one of updates for all `outputs`.
    Without `queue` it never waits behind the pictures that a WebUI is generating. `typing` is for events that come with each
    key pressed: the last of them is always answered.
    """
    about: dict[str, Any] = {"inputs": inputs, "outputs": outputs, "queue": queue, "show_progress": "hidden"}
    if js is not None:
        about["_js" if MAJOR == 3 else "js"] = js
    about |= {"api_visibility": "private"} if MAJOR >= 6 else {"api_name": False}
    wired = event(action, **about)
    if typing and MAJOR == 3:
        # It drops events while one is answered. So it asks again after the answer, with what is there by then; and a third
        # time, for by then an older second question may itself be unanswered.
        wired.then(action, **about).then(action, **about)
