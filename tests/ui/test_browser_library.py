"""Library and Inspect in a real chromium, when another model is loaded: named, marked and remade; on every gradio."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from browsing import Open, Shoot, field, open_tab, tick
from tab_server import ROOT

from lib_ti.app import App
from lib_ti.config.embeddings import MergeConfig
from tests.toy_host import ToyHost

pytestmark = pytest.mark.browser


def test_files_are_found_looked_at_and_remade_for_another_model(
    merging: tuple[str, Path], open_page: Open, shoot: Shoot, gradio_name: str
):
    address, folder = merging
    (folder / "model.txt").unlink(missing_ok=True)
    app = App(ToyHost(folder))
    for name, expression in (("ant", "'red round'"), ("bee", "'ant'*2 + 'blue'"), ("wasp", "'bee'")):
        app.merge(MergeConfig(expression, name))
    shutil.copy(ROOT / "tests" / "data" / "em-sdxl.safetensors", folder / "embeddings" / "large.safetensors")
    page = open_page(address)
    open_tab(page, "Library")
    page.wait_for_selector("#ti_lab_library [data-embedding='ant.safetensors']")
    page.wait_for_selector("#ti_lab_library tr:has([data-embedding='large.safetensors']) >> text=other family")
    assert not page.query_selector("#ti_lab_library >> text=other model")

    (folder / "model.txt").write_text("finetune")
    page.wait_for_selector("#ti_lab_model >> text=finetune")
    for panel in ("Create", "Train", "Merge", "Inspect", "Library"):
        open_tab(page, panel)
        assert page.is_visible("#ti_lab_model >> text=finetune"), panel
    page.wait_for_selector("#ti_lab_library tr:has([data-embedding='ant.safetensors']) >> text=other model")
    page.fill("#ti_lab_filter :is(input, textarea)", "ant round")
    page.wait_for_selector("#ti_lab_library [data-embedding='large.safetensors']", state="detached")
    shoot(page, f"{gradio_name}-library")

    page.click("#ti_lab_library [data-embedding='ant.safetensors']")
    page.wait_for_selector("#ti_lab_origin >> text=Made on toy (0123456789, SD1); loaded is finetune")
    page.wait_for_selector("#ti_lab_inspected .ti_lab_heat img:visible")
    page.fill(field("again", "name"), "[name]-[model]")
    shoot(page, f"{gradio_name}-inspect-again")
    page.click("#ti_lab_make_again")
    page.wait_for_selector("#ti_lab_made_again >> text=ant-finetune.safetensors")
    page.wait_for_selector("#ti_lab_origin >> text=the loaded model")
    page.click("#ti_lab_inspect_settings >> text=Compare")
    page.fill(field("inspect", "other"), "'ant'*2")
    page.press(field("inspect", "other"), "Enter")
    page.click("#ti_lab_inspect")
    page.wait_for_selector("#ti_lab_inspected >> text=Compared with 'ant'*2")
    page.click("#ti_lab_decompose")
    page.wait_for_selector("#ti_lab_tokens pre")
    shoot(page, f"{gradio_name}-inspect-compared")

    open_tab(page, "Library")
    page.fill("#ti_lab_filter :is(input, textarea)", "")
    page.click("#ti_lab_library_again >> text=Make again for this model")
    tick(page, "again_all", "overwrite")
    page.click("#ti_lab_make_again_all")
    page.wait_for_selector("#ti_lab_made_again_all >> text=/Made again: [3-5]/")
    page.wait_for_selector("#ti_lab_made_again_all >> text=does not say how it was made")
    page.wait_for_selector("#ti_lab_library >> text=other model", state="detached")
    shoot(page, f"{gradio_name}-library-again")
