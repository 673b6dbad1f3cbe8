"""Words found in pictures, in a real chromium: searched for in Data set, and taken to Merge, Train and Create; on every gradio."""

from __future__ import annotations

import pytest
from browsing import Open, Shoot, field, open_tab, press

pytestmark = pytest.mark.browser
WORDS = "#ti_lab_described .ti_lab_words"


def test_from_pictures_to_words_and_on_to_merge_train_and_create(
    address: str, open_page: Open, shoot: Shoot, gradio_name: str
):
    page = open_page(address)

    def wait_value(panel: str, path: str, value: str) -> None:
        page.wait_for_function(
            "([selector, value]) => document.querySelector(selector)?.value === value", arg=[field(panel, path), value]
        )

    # From Train, with its pictures.
    page.fill(field("train", "data.folder"), "empty")
    press(page, "from_pictures")
    page.wait_for_selector("#ti_lab_described >> text=/there is no picture/")  # the panel has come to the front
    assert page.input_value("#ti_lab_album_folder :is(input, textarea)") == "empty"
    page.fill("#ti_lab_album_folder :is(input, textarea)", "in")
    press(page, "describe")
    page.wait_for_selector(f"{WORDS} >> text=/as much work as learning from 96/")
    assert page.locator(f"{WORDS} tbody tr b").all_inner_texts() == ["a", "b", "c"]
    widths = page.eval_on_selector_all(f"{WORDS} .ti_lab_bar i", "bars => bars.map(bar => bar.offsetWidth)")
    assert widths == sorted(widths, reverse=True)
    assert 0 < widths[-1] < widths[0]
    shoot(page, f"{gradio_name}-describe")

    press(page, "words_to_merge")
    wait_value("merge", "expression", "'a','b','c'")
    open_tab(page, "Data set")
    press(page, "words_to_create")
    wait_value("create", "init", "a b c")
    open_tab(page, "Data set")
    press(page, "words_to_train")
    wait_value("train", "embedding.init", "a b c")
    wait_value("train", "data.folder", "in")

    # A page that is opened later shows them too.
    other = open_page(address)
    open_tab(other, "Data set")
    other.wait_for_selector(WORDS)
    press(other, "words_to_merge")
