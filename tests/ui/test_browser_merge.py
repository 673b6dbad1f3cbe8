"""Merge in a real chromium: seen before it is saved, saved as it was seen; on every gradio that a host may bring."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from browsing import Open, Shoot, choose, field, open_tab, press, tick
from tab_server import free_port, serving

if TYPE_CHECKING:
    from playwright.sync_api import Browser

pytestmark = pytest.mark.browser


def test_an_expression_is_checked_previewed_with_its_edits_and_saved(
    merging: tuple[str, Path], open_page: Open, shoot: Shoot, gradio_name: str
):
    address, folder = merging
    page = open_page(address)
    open_tab(page, "Merge")
    expression = field("merge", "expression")
    page.locator(expression).press_sequentially("'red fox'*0.5 + ")
    page.wait_for_selector("#ti_lab_merge_expression_fault >> text=^")
    shoot(page, f"{gradio_name}-merge-caret")
    page.locator(expression).press_sequentially("'moth'")
    page.wait_for_selector("#ti_lab_merge_check >> text=2 vectors")
    assert page.query_selector("#ti_lab_merge_expression_fault .ti_lab_fault") is None

    page.click("#ti_lab_merge_settings >> text=Edits")
    page.fill(field("merge", "arc_to"), "'blue'*")
    page.wait_for_selector("#ti_lab_merge_arc_to_fault >> text=^")
    page.fill(field("merge", "arc_to"), "'blue'")
    tick(page, "merge", "collapse")
    page.click("#ti_lab_look")
    page.wait_for_selector("#ti_lab_merged >> text=Not saved yet")
    page.wait_for_selector("#ti_lab_merged >> text=0.5 of the way to 'blue', collapsed to one vector")
    page.wait_for_selector("#ti_lab_merged .ti_lab_heat img:visible")
    shoot(page, f"{gradio_name}-merge-preview")
    page.click("#ti_lab_explain")
    page.wait_for_selector("#ti_lab_merged .ti_lab_expression pre")
    tick(page, "merge", "collapse")

    page.fill(field("merge", "arc_to"), "")
    page.fill(expression, "'red':80")
    choose(page, "merge", "over", "split")
    page.click("#ti_lab_look")
    page.wait_for_selector("#ti_lab_merged .ti_lab_seen >> nth=1")
    assert not list((folder / "embeddings").glob("long*"))
    page.evaluate("scrollTo(0, document.body.scrollHeight)")
    assert page.evaluate("scrollY") > 100
    assert page.evaluate("document.querySelector('#ti_lab_model').getBoundingClientRect().top") >= 0, "in sight"
    page.fill(field("merge", "name"), "long")
    page.click("#ti_lab_merge")
    page.wait_for_selector("#ti_lab_merged .ti_lab_good >> text=long-2.safetensors")
    page.wait_for_selector("#ti_lab_merged .ti_lab_seen >> nth=1")
    shoot(page, f"{gradio_name}-merge-saved")
    assert sorted(path.name for path in (folder / "embeddings").glob("long*")) == [
        "long-1.safetensors",
        "long-2.safetensors",
    ]
    page.click("#ti_lab_use:not([disabled])")
    page.wait_for_function(
        "selector => document.querySelector(selector)?.value === 'long-1'", arg=field("train", "embedding.name")
    )


@pytest.mark.slow
@pytest.mark.parametrize("model", ["demo", "demo-xl"])
def test_the_demo_merges_inspects_and_hands_on(
    browser: Browser, open_page: Open, shoot: Shoot, tmp_path: Path, model: str
):
    """The real thing: merge, use for training, find in the library, inspect, explain, edit again."""
    port = free_port()
    command = [sys.executable, "-m", "lib_ti", "ui", "--model", model, "--no-browser", "--port", str(port)]
    with serving([*command, "--out", str(tmp_path)], port, tmp_path / "server.log") as address:
        page = open_page(address)
        open_tab(page, "Merge")
        page.fill(field("merge", "expression"), "'red'*0.5 + 'circle'*12")
        page.fill(field("merge", "name"), "mix")
        page.click("#ti_lab_look")
        page.wait_for_selector("#ti_lab_merged >> text=Not saved yet")
        page.click("#ti_lab_merge")
        page.wait_for_selector("#ti_lab_merged .ti_lab_good >> text=mix.safetensors")
        page.wait_for_selector("#ti_lab_merged .ti_lab_too_long >> text=circle")
        assert (tmp_path / "mix.safetensors").is_file()
        for encoder in ("clip_l", "clip_g") if model == "demo-xl" else ("clip_l",):
            page.wait_for_selector(f"#ti_lab_merged >> text={encoder}")
        shoot(page, f"{model}-merged")
        page.click("#ti_lab_use:not([disabled])")
        page.wait_for_function(
            "selector => document.querySelector(selector)?.value === 'mix'", arg=field("train", "embedding.name")
        )
        press(page, "check")
        page.wait_for_selector("#ti_lab_checked >> text=/from mix as it was created/")
        open_tab(page, "Library")
        page.click("#ti_lab_library [data-embedding='mix.safetensors']")
        page.wait_for_selector("#ti_lab_inspected .ti_lab_heat img:visible")
        page.click("#ti_lab_decompose")
        page.wait_for_selector("#ti_lab_tokens >> text='circle'*12")
        shoot(page, f"{model}-inspected")
        narrow = open_page(address, width=800, theme="dark")
        open_tab(narrow, "Merge")
        narrow.fill(field("merge", "expression"), "'red', 'mix'")
        narrow.click("#ti_lab_look")
        narrow.wait_for_selector("#ti_lab_merged .ti_lab_heat img:visible")
        shoot(narrow, f"{model}-preview-narrow-dark")
        page.click("#ti_lab_edit")
        page.wait_for_selector("#ti_lab_merge_check .ti_lab_good:visible")
        assert "'circle'*12" in page.input_value(field("merge", "expression"))
