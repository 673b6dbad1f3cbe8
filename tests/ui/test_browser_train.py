"""Create and Train in a real chromium: what a user presses is what happens, on every gradio that a host may bring."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from browsing import (
    SOON,
    Open,
    Shoot,
    choose,
    field,
    open_tab,
    press,
    step,
    wait_answer,
    wait_change,
    wait_state,
    wait_step,
)
from tab_server import ROOT, free_port, serving

if TYPE_CHECKING:
    from playwright.sync_api import Browser

pytestmark = pytest.mark.browser
CURVE, PREVIEW = "#ti_lab_curves .large path.main", "#ti_lab_preview img"


def test_a_run_from_create_to_finish(address: str, open_page: Open, shoot: Shoot, tmp_path: Path, gradio_name: str):
    page = open_page(address)
    assert "demo <b>" in page.inner_text("#ti_lab_model")
    shoot(page, f"{gradio_name}-idle")

    open_tab(page, "Create")
    page.fill(field("create", "name"), "firefly")
    page.click("#ti_lab_create")
    page.wait_for_selector("#ti_lab_created .ti_lab_good")
    shoot(page, f"{gradio_name}-create")
    assert (tmp_path / "firefly.safetensors").read_bytes() == b"made"
    open_tab(page, "Train")
    assert page.input_value(field("train", "embedding.name")) == "firefly"

    page.fill(field("train", "optim.steps"), "1000")  # more than a busy machine gets through until Stop
    press(page, "check")
    page.wait_for_selector("#ti_lab_checked table")
    shoot(page, f"{gradio_name}-check")
    press(page, "train")
    wait_state(page, "running")
    wait_step(page, 3)
    page.wait_for_selector("#ti_lab_preview img")
    first, seen = page.get_attribute(CURVE, "d"), page.get_attribute(PREVIEW, "src")
    page.fill(field("train", "data.width"), "77")
    wait_change(page, CURVE, "d", first)
    wait_change(page, PREVIEW, "src", seen)
    assert page.input_value(field("train", "data.width")) == "77"  # no poll may touch what a user types

    page.click("#ti_lab_strip [data-preview='0']")
    page.wait_for_selector("#ti_lab_preview >> text=earlier preview")
    shoot(page, f"{gradio_name}-running")

    hold = tmp_path / "hold"
    hold.touch()
    page.reload(wait_until="domcontentloaded")
    page.wait_for_timeout(3000)  # the script has asked, and is not answered yet
    page.fill(field("train", "embedding.init"), "typed early")
    hold.unlink()
    wait_answer(page)
    wait_state(page, "running")
    page.wait_for_selector("#ti_lab_preview img")
    page.wait_for_function(
        "selector => document.querySelector(selector).value === '1000'", arg=field("train", "optim.steps")
    )
    assert page.input_value(field("train", "embedding.name")) == "firefly"
    assert page.input_value(field("train", "embedding.init")) == "typed early"
    assert page.is_disabled("#ti_lab_train_button")

    press(page, "pause")
    wait_state(page, "paused")
    paused_at = step(page)
    page.wait_for_timeout(1500)
    assert step(page) == paused_at
    page.click("#ti_lab_pause_button:has-text('Continue')")
    wait_step(page, paused_at + 1)
    press(page, "stop")
    wait_state(page, "stopped")
    shoot(page, f"{gradio_name}-stopped")
    assert 0 < step(page) < 1000

    page.fill(field("train", "optim.steps"), str(step(page) + 15))
    press(page, "resume")
    wait_state(page, "running")
    narrow = open_page(address, width=800, theme="dark")
    wait_state(narrow, "finished")
    wait_state(page, "finished")
    shoot(narrow, f"{gradio_name}-finished-narrow-dark")
    assert (tmp_path / "firefly.safetensors").read_bytes() == b"trained"
    assert "firefly.safetensors" in page.inner_text("#ti_lab_log")


def test_faults_appear_beside_their_fields_and_go_when_mended(
    address: str, open_page: Open, shoot: Shoot, gradio_name: str
):
    page = open_page(address)
    rate = field("train", "optim.lr")
    page.fill(rate, "0.005:20, x")
    page.wait_for_selector("#ti_lab_train_optim_lr_fault:has-text('is not a rate')")
    page.fill(field("train", "optim.batch_size"), "0")
    page.fill(field("train", "embedding.name"), "")
    press(page, "train")
    page.wait_for_selector("#ti_lab_train_optim_batch_size_fault:has-text('below the least')")
    page.wait_for_selector("#ti_lab_train_embedding_name_fault:has-text('missing')")
    assert "Batch size" in page.inner_text("#ti_lab_notice")
    assert not page.query_selector(".ti_lab_state")
    shoot(page, f"{gradio_name}-faults")

    page.fill(rate, "0.005:20, 1e-3:40")
    page.wait_for_selector("#ti_lab_schedule >> text=2 stages")
    page.wait_for_selector("#ti_lab_schedule >> text=training ends there")
    page.fill(field("train", "optim.batch_size"), "1")
    page.fill(field("train", "embedding.name"), "moth")
    page.fill(field("train", "data.folder"), "empty")
    press(page, "train")  # now the settings are fine, and the pictures are not
    wait_state(page, "failed")
    page.wait_for_selector("#ti_lab_train_data_template_fault:has-text('there is no template')")
    assert page.query_selector("#ti_lab_train_embedding_name_fault .ti_lab_fault") is None
    assert "a<b>.png: is broken" in page.inner_text("#ti_lab_progress")


def test_a_run_goes_on_without_a_page_and_a_second_is_refused(address: str, open_page: Open):
    page, other = open_page(address), open_page(address)
    page.fill(field("train", "optim.steps"), "400")
    press(page, "train")
    wait_state(page, "running")
    other.evaluate("document.querySelector('#ti_lab_train_button').removeAttribute('disabled')")
    other.click("#ti_lab_train_button")  # before its page has learnt of the run
    other.wait_for_selector("#ti_lab_notice >> text=/is still running/")
    page.close()
    other.close()
    later = open_page(address)
    wait_state(later, "running")
    before = step(later)
    wait_step(later, before + 1)
    press(later, "stop")
    wait_state(later, "stopped")


@pytest.mark.slow
def test_the_demo_is_trained_by_pressing_train(browser: Browser, open_page: Open, shoot: Shoot, tmp_path: Path):
    """The real thing on `--model demo`: create, 60 steps, reload in mid-run, stop, resume, finish, generate."""
    port = free_port()
    command = [
        sys.executable,
        "-m",
        "lib_ti",
        "ui",
        "--model",
        "demo",
        "--no-browser",
        "--port",
        str(port),
        "--out",
        str(tmp_path),
    ]
    with serving(command, port, tmp_path / "server.log") as address:
        page = open_page(address)
        name = page.input_value(field("train", "embedding.name"))
        assert name
        shoot(page, "demo-1-idle")
        open_tab(page, "Create")
        page.click("#ti_lab_create")
        page.wait_for_selector("#ti_lab_created .ti_lab_good")
        made = next(tmp_path.glob(f"{name}.*"))
        created = made.read_bytes()
        open_tab(page, "Train")
        press(page, "check")
        page.wait_for_selector("#ti_lab_checked table")
        shoot(page, "demo-2-check")

        page.fill(field("train", "optim.steps"), "60")
        page.fill(field("train", "optim.accumulation"), "2")  # so that the page is back before the run is over
        page.fill(field("train", "preview.every"), "15")
        press(page, "train")
        wait_step(page, 3)
        page.wait_for_selector("#ti_lab_preview img")
        first, seen = page.get_attribute(CURVE, "d"), page.get_attribute(PREVIEW, "src")
        wait_step(page, 6)
        page.reload(wait_until="domcontentloaded")
        wait_answer(page)
        page.wait_for_selector("#ti_lab_curves svg")
        wait_change(page, CURVE, "d", first)
        press(page, "stop")
        wait_state(page, "stopped")
        shoot(page, "demo-3-stopped")
        stopped_at = step(page)
        assert 6 <= stopped_at < 60
        press(page, "resume")
        wait_state(page, "finished", 2 * SOON)
        assert step(page) == 60
        assert re.search(rf"resumed after step {stopped_at}", page.inner_html("#ti_lab_plan"))
        page.wait_for_selector("#ti_lab_strip [data-preview='1']")
        assert page.get_attribute(PREVIEW, "src") != seen
        shoot(page, "demo-4-finished")
        narrow = open_page(address, width=800, theme="dark")
        wait_state(narrow, "finished")
        shoot(narrow, "demo-5-finished-narrow-dark")
        assert made.read_bytes() != created
    generate = [
        sys.executable,
        "-m",
        "lib_ti",
        "generate",
        "--prompt",
        f"a photo of a {name}",
        "--model",
        "demo",
        "--steps",
        "8",
    ]
    generate += ["--embeddings", str(tmp_path), "--out", str(tmp_path / "picture.png")]
    subprocess.run(generate, check=True, cwd=ROOT, timeout=300)
    assert (tmp_path / "picture.png").is_file()


def test_a_preset_fills_the_form_and_the_other_takes_it_back(address: str, open_page: Open, gradio_name: str):
    """What a newcomer finds, and what somebody who comes from the built-in tab wants."""
    page = open_page(address)
    open_tab(page, "Train")
    rate, vectors = field("train", "optim.lr"), field("train", "embedding.vectors")
    page.fill(field("train", "embedding.name"), "typed")
    assert page.input_value(vectors) == "8"
    wait = "([selector, value]) => document.querySelector(selector).value === value"
    choose(page, "train", "run_preset", "a1111")
    page.wait_for_function(wait, arg=[rate, "0.005"])
    assert page.input_value(vectors) == "1"
    assert page.input_value(field("train", "embedding.name")) == "typed"
    choose(page, "train", "run_preset", "automatic")
    page.wait_for_function(wait, arg=[vectors, "8"])
    assert "cosine" in page.input_value(rate)
