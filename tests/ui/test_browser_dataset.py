"""Data set in a real chromium: prepare, look, caption, check and on to Train; on every gradio."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from browsing import Open, Shoot, field, open_tab, press, tick
from PIL import Image

if TYPE_CHECKING:
    from playwright.sync_api import Page

pytestmark = pytest.mark.browser
PATIENCE = 30_000
CAPTION = "#ti_lab_album [data-caption='00000-0-thing 0.png']"


def test_from_a_folder_of_pictures_to_training_on_it(
    address: str, open_page: Open, shoot: Shoot, gradio_name: str, tmp_path: Path
):
    source, out = tmp_path / "in", tmp_path / "out"
    source.mkdir()
    for number in range(30):
        Image.linear_gradient("L").resize((200, 90)).convert("RGB").save(source / f"{number:02} thing {number}.png")
    page = open_page(address)
    open_tab(page, "Data set")
    press(page, "prepare")
    page.wait_for_selector("#ti_lab_dataset_folders_source_fault:has-text('missing')")
    page.fill(field("dataset", "folders.source"), str(source))
    page.fill(field("dataset", "folders.destination"), str(out))
    tick(page, "dataset", "split_on")
    page.wait_for_selector(field("dataset", "split.overlap"))  # appears with its step
    press(page, "prepare")
    page.wait_for_selector("#ti_lab_prepared .finished")
    page.wait_for_selector("#ti_lab_album >> text=/1 to 24 of 90 pictures/")  # three pieces each
    assert not page.query_selector("#ti_lab_dataset_folders_source_fault .ti_lab_fault")

    page.fill(CAPTION, "a thing, typed here")
    page.wait_for_selector("#ti_lab_album >> text=1 caption not saved")
    press(page, "next")
    page.wait_for_selector("#ti_lab_album >> text=/25 to 48 of 90/")
    press(page, "previous")
    page.wait_for_selector("#ti_lab_album >> text=/1 to 24 of 90/")
    page.wait_for_selector(f"{CAPTION}.ti_lab_edited")
    assert page.input_value(CAPTION) == "a thing, typed here"  # kept from page to page
    shoot(page, f"{gradio_name}-dataset")
    press(page, "save_captions")
    page.wait_for_selector("#ti_lab_album >> text=1 caption saved.")
    page.wait_for_selector("#ti_lab_album >> text=not saved", state="detached")
    assert (out / "00000-0-thing 0.txt").read_text() == "a thing, typed here"

    type_while_saving(page, tmp_path / "hold", out)

    (out / "00001-0-thing 1.png").write_bytes(b"broken")
    press(page, "prove")
    page.wait_for_selector("#ti_lab_proof >> text=/00001-0-thing 1.png.*is not a picture/")
    press(page, "train_here")
    page.wait_for_selector(field("train", "data.folder"))
    page.wait_for_function(
        "([selector, folder]) => document.querySelector(selector).value === folder",
        arg=[field("train", "data.folder"), str(out)],
    )


def type_while_saving(page: Page, hold: Path, out: Path) -> None:
    """What is typed between Save captions and its answer is kept, though another page is turned to meanwhile."""
    first, second = (f"#ti_lab_album [data-caption='0000{number}-0-thing {number}.png']" for number in (1, 2))
    hold.touch()
    page.fill(first, "sent")
    press(page, "save_captions")
    page.fill(second, "typed meanwhile")
    press(page, "next")
    page.wait_for_timeout(1000)  # on some versions of gradio Next is answered only after Save captions
    hold.unlink()
    wait_for_file(page, out / "00001-0-thing 1.txt")
    page.wait_for_timeout(1000)
    press(page, "previous")
    page.wait_for_function(
        "selector => document.querySelector(selector)?.value === 'typed meanwhile'", arg=second, timeout=PATIENCE
    )
    press(page, "save_captions")
    wait_for_file(page, out / "00002-0-thing 2.txt")
    page.wait_for_selector("#ti_lab_album >> text=not saved", state="detached")
    assert (out / "00002-0-thing 2.txt").read_text() == "typed meanwhile"


def wait_for_file(page: Page, path: Path) -> None:
    for _ in range(PATIENCE // 50):
        if path.is_file():
            return
        page.wait_for_timeout(50)
    pytest.fail(f"{path.name} was not written")
