"""Every setting must be on the page once, by its own label and limits, filled with the values it is given."""

import subprocess
import sys

import gradio as gr
import pytest
from fake_app import FakeApp

from lib_ti.config.dataset import DatasetConfig
from lib_ti.config.embeddings import CreateConfig
from lib_ti.config.options import walk_options
from lib_ti.config.presets import AUTOMATIC
from lib_ti.config.train import TrainConfig
from lib_ti.errors import Fault
from lib_ti.ui import compat, ids
from lib_ti.ui.form import Form
from lib_ti.ui.html.notices import soft
from lib_ti.ui.panels.create import SAME_AS_TRAIN, build_create
from lib_ti.ui.panels.dataset import build_dataset
from lib_ti.ui.panels.train import build_train
from lib_ti.ui.tab import build_tab

AS_BUTTON = {"embedding.resume"}


def panels(defaults: dict[str, object]) -> tuple[Form, Form]:
    with gr.Blocks():
        create = build_create(defaults)
        train = build_train(defaults, ["subject"], ["Euler"])
    return create.form, train.form


def test_every_option_of_a_data_set_has_its_widget():
    with gr.Blocks():
        form = build_dataset({}, ["BLIP", "Deepbooru"]).form
    assert set(form.components) == {path for path, *_ in walk_options(DatasetConfig)}
    last = form.components["captions.by"].choices[-1]
    assert (last if isinstance(last, str) else last[1]) == "BLIP, Deepbooru"


def test_every_option_has_its_widget_with_label_help_and_default():
    for form, config, others in zip(panels({}), (CreateConfig, TrainConfig), (set(), AS_BUTTON), strict=True):
        assert set(form.components) == {path for path, *_ in walk_options(config)} - others
        for path, _, plain, about in walk_options(config):
            default = AUTOMATIC.get(path, plain) if config is TrainConfig else plain
            default = "automatic" if path == "run.preset" else default
            if path not in others:
                widget = form.components[path]
                info = widget.info.removesuffix(" Enter keeps what you type.")  # what an old gradio needs said
                assert (widget.label, info, widget.value) == (about.label, about.help, default)


def test_given_values_fill_both_panels():
    create, train = panels({"embedding.name": "moth", "optim.steps": 60, "data.template": "subject"})
    assert create.components["name"].value == "moth"
    assert train.components["optim.steps"].value == 60
    assert train.components["data.template"].value == "subject"


def test_fields_shared_by_both_panels_exist_in_both():
    create, train = panels({})
    assert set(SAME_AS_TRAIN) <= set(create.components)
    assert set(SAME_AS_TRAIN.values()) <= set(train.components)


def test_values_come_back_by_path_and_an_emptied_number_is_a_fault_not_a_crash():
    _, form = panels({})
    data = {widget: widget.value for widget in form.components.values()}
    data[form.components["optim.steps"]] = None
    values = form.values(data)
    assert values["optim.lr"] == AUTOMATIC["optim.lr"]
    assert values["optim.steps"] == ""


def test_faults_appear_under_their_field_and_clear_elsewhere():
    _, form = panels({})
    updates = form.show_faults([Fault("optim.lr", "no"), Fault("picture.png", "broken")])
    assert updates[form.faults["optim.lr"]]["visible"]
    assert "no" in updates[form.faults["optim.lr"]]["value"]
    assert sum(update["visible"] for update in updates.values()) == 1


def test_html_goes_to_the_page_as_a_plain_text_which_every_writer_of_json_knows():
    with gr.Blocks():
        component = compat.html(soft("a & b"))
    shown = (compat.show(soft("a & b")), compat.show_if_any(soft("a & b")))
    for value in (component.value, *(update["value"] for update in shown)):
        assert type(value) is str
        assert value == '<p class="ti_lab_soft">a &amp; b</p>'


def test_every_id_on_the_page_is_ours_and_there_once(app: FakeApp):
    tab = build_tab(app)
    found = [block.elem_id for block in tab.blocks.values() if getattr(block, "elem_id", None)]
    assert len(found) == len(set(found))
    assert all(name.startswith(ids.PREFIX) for name in found)
    assert {ids.ROOT, ids.POLL, ids.LOAD, ids.CHOOSE, ids.PULSE, ids.MACHINERY} <= set(found)


def test_building_the_page_asks_nothing_of_a_model_that_may_not_be_loaded_yet(
    app: FakeApp, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(app.host, "model", lambda: [][1])
    build_tab(app)


def test_a_webui_keeps_no_default_of_ours_by_its_ambiguous_label(app: FakeApp):
    widgets = (gr.Textbox, gr.Number, gr.Checkbox, gr.Radio, gr.Dropdown, gr.Button)
    ours = [block for block in build_tab(app).blocks.values() if isinstance(block, widgets)]
    assert ours
    assert all(block.do_not_save_to_config for block in ours)


def test_the_tab_opens_without_torch_or_numpy_of_its_own():
    code = "import sys, lib_ti.ui.serve; assert 'torch' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True, timeout=120)
