"""A user would lose: previews as they are in txt2img."""

import json

from lib_ti.ui.panels.train import read_txt2img

SHOWN = {
    "prompt": "a [name]",
    "negative": "blurry",
    "sampler": "DPM++ 2M",
    "scheduler": "Karras",
    "steps": "30",
    "cfg": "5.5",
    "seed": "-1",
    "width": "640",
    "height": "512",
}


def test_what_txt2img_shows_becomes_the_previews_settings():
    assert read_txt2img(json.dumps(SHOWN)) == {
        "preview.prompt": "a [name]",
        "preview.negative": "blurry",
        "preview.sampler": "DPM++ 2M Karras",
        "preview.steps": 30,
        "preview.cfg": 5.5,
        "preview.seed": -1,
        "preview.width": 640,
        "preview.height": 512,
    }


def test_a_schedule_that_the_sampler_chooses_and_fields_that_a_webui_lacks_are_left_out():
    shown = {**SHOWN, "scheduler": "Automatic", "seed": ""} | {"steps": "many"}
    values = read_txt2img(json.dumps(shown))
    assert values["preview.sampler"] == "DPM++ 2M"
    assert not {"preview.seed", "preview.steps"} & values.keys()
    assert set(read_txt2img("{}")) == {"preview.prompt", "preview.negative"}
