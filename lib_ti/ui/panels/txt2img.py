"""Preview settings taken from the WebUI's txt2img tab, as they stand there when the button is pressed."""

from __future__ import annotations

import json
from typing import Any

from lib_ti.ui import compat, ids, wording
from lib_ti.ui.form import Form

NUMBERS = {
    "steps": "preview.steps",
    "cfg": "preview.cfg",
    "seed": "preview.seed",
    "width": "preview.width",
    "height": "preview.height",
}


def add_txt2img_button(form: Form) -> None:
    """The style sheet hides it where there is no txt2img. The script's answer comes in place of the preview prompt."""
    button = compat.button(wording.READ_TXT2IMG, size="sm", elem_id=ids.part_id("txt2img_button"))
    prompt = form.components["preview.prompt"]
    fields = ["preview.prompt", "preview.negative", "preview.sampler", *NUMBERS.values()]
    outputs = [form.components[path] for path in fields]

    def fill(data: dict[Any, Any]) -> dict[Any, Any]:
        return form.fill(read_txt2img(str(data[prompt] or "{}")))

    compat.on(button.click, fill, {prompt}, outputs, js="() => [window.tiLab.txt2img()]")


def read_txt2img(report: str) -> dict[str, Any]:
    """Our preview settings by path, of the script's JSON; what the WebUI does not show is left out."""
    shown: dict[str, str] = json.loads(report)
    values: dict[str, Any] = {"preview.prompt": shown.get("prompt", ""), "preview.negative": shown.get("negative", "")}
    if sampler := shown.get("sampler", ""):
        schedule = shown.get("scheduler", "")
        values["preview.sampler"] = sampler if schedule in ("", "Automatic") else f"{sampler} {schedule}"
    for name, path in NUMBERS.items():
        try:
            number = float(shown.get(name, ""))
        except ValueError:
            continue
        values[path] = int(number) if number.is_integer() else number
    return values
