"""Words for what a user does in the tab and sees there; for the tests that drive it in a real chromium."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from playwright.sync_api import Page

SOON = 240_000  # a busy machine with two cores counts as one where this must pass

Open = Callable[..., "Page"]
Shoot = Callable[["Page", str], None]


def wait_answer(page: Page) -> None:
    page.wait_for_selector("#ti_lab_pulse [data-tick]:not([data-tick=''])", state="attached")


def field(panel: str, path: str) -> str:
    return f"#ti_lab_{panel}_{path.replace('.', '_')} :is(input, textarea)"


def press(page: Page, name: str) -> None:
    page.click(f"#ti_lab_{name}_button:not([disabled])")


def tick(page: Page, panel: str, path: str) -> None:
    page.click(f"#ti_lab_{panel}_{path} input[type=checkbox]")


def choose(page: Page, panel: str, path: str, choice: str) -> None:
    page.click(f"#ti_lab_{panel}_{path} label:has(input[type=radio]):has-text('{choice}')")


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
