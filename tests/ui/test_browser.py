"""The tab in a real chromium: what a user presses is what happens, on every gradio that a host may bring."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from tab_server import ROOT, free_port, serving

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

pytestmark = pytest.mark.browser
SOON = 240_000  # a busy machine with two cores counts as one where this must pass
CURVE, PREVIEW = "#ti_lab_curves .large path.main", "#ti_lab_preview img"

Open = Callable[..., "Page"]
Shoot = Callable[["Page", str], None]


@pytest.fixture
def open_page(browser: Browser) -> Iterator[Open]:
    """Open the tab; at the end no page may have met an error in a script, ours or gradio's."""
    errors: list[str] = []
    pages: list[Page] = []

    def open_(address: str, width: int = 1280, theme: str = "light") -> Page:
        page = browser.new_page(viewport={"width": width, "height": 900})
        page.set_default_timeout(SOON)
        page.route(lambda url: not url.startswith((address, "data:", "blob:")), lambda route: route.abort())
        page.on("pageerror", lambda error: errors.append(str(error)))
        pages.append(page)
        page.goto(f"{address}?__theme={theme}", wait_until="domcontentloaded")
        wait_answer(page)
        return page

    yield open_
    for page in pages:
        page.close()
    assert errors == []


@pytest.fixture
def shoot(request: pytest.FixtureRequest) -> Shoot:
    folder: Path | None = request.config.getoption("--screenshots")

    def shoot_(page: Page, name: str) -> None:
        if folder:
            folder.mkdir(parents=True, exist_ok=True)
            page.screenshot(path=folder / f"{name}.png", full_page=True)

    return shoot_


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "gradio_python" in metafunc.fixturenames:
        pythons = [Path(sys.executable), *metafunc.config.getoption("--gradio-python")]
        metafunc.parametrize("gradio_python", pythons, ids=["own", *(str(python) for python in pythons[1:])])


@pytest.fixture
def address(gradio_python: Path, tmp_path: Path) -> Iterator[str]:
    port = free_port()
    command = [str(gradio_python), str(ROOT / "tests" / "ui" / "server.py"), str(port), str(tmp_path)]
    with serving(command, port, tmp_path / "server.log") as found:
        yield found


def wait_answer(page: Page) -> None:
    page.wait_for_selector("#ti_lab_pulse [data-tick]:not([data-tick=''])", state="attached")


def field(panel: str, path: str) -> str:
    return f"#ti_lab_{panel}_{path.replace('.', '_')} :is(input, textarea)"


def press(page: Page, name: str) -> None:
    page.click(f"#ti_lab_{name}_button:not([disabled])")


def open_tab(page: Page, name: str) -> None:
    # The last one: current gradio keeps an invisible copy of its tab names, to measure them.
    page.locator("#ti_lab_root :is([role=tab], .tab-nav button)", has_text=name).last.click()


def wait_state(page: Page, state: str, patience: int = SOON) -> None:
    from playwright.sync_api import TimeoutError as PatienceLostError

    try:
        page.wait_for_selector(f".ti_lab_state.{state}", timeout=patience)
    except PatienceLostError:
        pytest.fail(f"{state} never came; the page shows: {page.inner_text('#ti_lab_run')}")


def step(page: Page) -> int:
    return int(page.inner_text(".ti_lab_count").split("/")[0].replace(",", ""))


def wait_step(page: Page, least: int) -> None:
    page.wait_for_function(
        "least => parseInt(document.querySelector('.ti_lab_count')?.innerText.replace(',', '') ?? 0) >= least",
        arg=least,
    )


def wait_change(page: Page, selector: str, attribute: str, before: str | None) -> None:
    page.wait_for_function(
        "([selector, attribute, before]) => document.querySelector(selector)?.getAttribute(attribute) !== before",
        arg=[selector, attribute, before],
    )


def test_a_run_from_create_to_finish(address: str, open_page: Open, shoot: Shoot, tmp_path: Path, gradio_python: Path):
    name = "own" if gradio_python == Path(sys.executable) else gradio_python.parts[-3]
    page = open_page(address)
    assert "demo <b>" in page.inner_text("#ti_lab_model")
    shoot(page, f"{name}-idle")

    open_tab(page, "Create")
    page.fill(field("create", "name"), "firefly")
    page.click("#ti_lab_create")
    page.wait_for_selector("#ti_lab_created .ti_lab_good")
    shoot(page, f"{name}-create")
    assert (tmp_path / "firefly.safetensors").read_bytes() == b"made"
    open_tab(page, "Train")
    assert page.input_value(field("train", "embedding.name")) == "firefly"

    page.fill(field("train", "optim.steps"), "200")
    press(page, "check")
    page.wait_for_selector("#ti_lab_plan table")
    shoot(page, f"{name}-check")
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
    shoot(page, f"{name}-running")

    page.reload(wait_until="domcontentloaded")
    wait_answer(page)
    wait_state(page, "running")
    page.wait_for_selector("#ti_lab_preview img")
    assert page.input_value(field("train", "embedding.name")) == "firefly"
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
    shoot(page, f"{name}-stopped")
    assert 0 < step(page) < 200

    page.fill(field("train", "optim.steps"), str(step(page) + 15))
    press(page, "resume")
    wait_state(page, "running")
    narrow = open_page(address, width=800, theme="dark")
    wait_state(narrow, "finished")
    wait_state(page, "finished")
    shoot(narrow, f"{name}-finished-narrow-dark")
    assert (tmp_path / "firefly.safetensors").read_bytes() == b"trained"
    assert "firefly.safetensors" in page.inner_text("#ti_lab_log")


def test_faults_appear_beside_their_fields_and_go_when_mended(
    address: str, open_page: Open, shoot: Shoot, gradio_python: Path
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
    if gradio_python == Path(sys.executable):
        shoot(page, "own-faults")

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
    again = open_page(address)
    wait_state(again, "running")
    before = step(again)
    wait_step(again, before + 1)
    press(again, "stop")
    wait_state(again, "stopped")


def test_an_expression_is_checked_while_it_is_typed_and_the_library_filters(
    address: str, open_page: Open, shoot: Shoot, tmp_path: Path, gradio_python: Path
):
    if subprocess.run([gradio_python, "-c", "import safetensors"], check=False, capture_output=True).returncode:
        pytest.skip("this interpreter cannot read embeddings: it has no safetensors")
    name = "own" if gradio_python == Path(sys.executable) else gradio_python.parts[-3]
    shutil.copy(ROOT / "tests" / "data" / "em-sd1.safetensors", tmp_path / "moth.safetensors")
    shutil.copy(ROOT / "tests" / "data" / "em-sdxl.safetensors", tmp_path / "large.safetensors")
    page = open_page(address)
    open_tab(page, "Merge")
    page.locator(field("merge", "expression")).press_sequentially("'red fox'*0.5 + ")
    page.wait_for_selector("#ti_lab_merge_expression_fault >> text=^")
    shoot(page, f"{name}-merge-caret")
    page.locator(field("merge", "expression")).press_sequentially("'moth'")
    page.wait_for_selector("#ti_lab_merge_check >> text=2 vectors")
    assert page.query_selector("#ti_lab_merge_expression_fault .ti_lab_fault") is None
    open_tab(page, "Library")
    page.wait_for_selector("#ti_lab_library [data-embedding='moth.safetensors']")
    page.wait_for_selector("#ti_lab_library tr:has([data-embedding='large.safetensors']) >> text=other family")
    page.fill("#ti_lab_filter :is(input, textarea)", "mot")
    page.wait_for_selector("#ti_lab_library [data-embedding='large.safetensors']", state="detached")
    shoot(page, f"{name}-library")


@pytest.mark.slow
def test_the_demo_merges_inspects_and_hands_on(browser: Browser, open_page: Open, shoot: Shoot, tmp_path: Path):
    """The real thing on `--model demo`: merge, use for training, find in the library, inspect, explain, edit again."""
    port = free_port()
    command = [sys.executable, "-m", "lib_ti", "ui", "--model", "demo", "--no-browser", "--port", str(port)]
    with serving([*command, "--out", str(tmp_path)], port, tmp_path / "server.log") as address:
        page = open_page(address)
        open_tab(page, "Merge")
        page.fill(field("merge", "expression"), "'red'*0.5 + 'circle'*12")
        page.fill(field("merge", "name"), "mix")
        page.click("#ti_lab_merge")
        page.wait_for_selector("#ti_lab_merged .ti_lab_too_long >> text=circle")
        assert (tmp_path / "mix.safetensors").is_file()
        shoot(page, "demo-merged")
        page.click("#ti_lab_use:not([disabled])")
        page.wait_for_function(
            "selector => document.querySelector(selector)?.value === 'mix'", arg=field("train", "embedding.name")
        )
        press(page, "check")
        page.wait_for_selector("#ti_lab_plan >> text=/from mix as it was created/")
        open_tab(page, "Library")
        page.click("#ti_lab_library [data-embedding='mix.safetensors']")
        page.wait_for_selector("#ti_lab_inspected .ti_lab_heat img:visible")
        page.click("#ti_lab_decompose")
        page.wait_for_selector("#ti_lab_tokens >> text='circle'*12")
        shoot(page, "demo-inspected")
        page.click("#ti_lab_edit")
        page.wait_for_selector("#ti_lab_merge_check .ti_lab_good:visible")
        assert "'circle'*12" in page.input_value(field("merge", "expression"))


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
        page.wait_for_selector("#ti_lab_plan table")
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
