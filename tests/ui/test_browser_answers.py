"""In a real chromium: what the page says belongs to what stands in its forms, and what was allowed once is not allowed twice."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from browsing import Open, Shoot, choose, field, open_tab, press, tick, wait_state
from PIL import Image

if TYPE_CHECKING:
    from playwright.sync_api import Page

pytestmark = pytest.mark.browser
OLD = ".ti_lab_old"


def ticked(page: Page, panel: str, path: str) -> bool:
    return page.is_checked(f"#ti_lab_{panel}_{path.replace('.', '_')} input[type=checkbox]")


def wait_unticked(page: Page, panel: str, path: str) -> None:
    selector = f"#ti_lab_{panel}_{path.replace('.', '_')} input[type=checkbox]"
    page.wait_for_function("selector => !document.querySelector(selector).checked", arg=selector)


def unfold(page: Page, title: str) -> None:
    page.locator("#ti_lab_root .label-wrap:visible", has_text=title).first.click()


def seed_in(page: Page, part: str) -> str:
    return page.text_content(f"#ti_lab_{part} tr:has(th:text-is('Seed')) td") or ""  # it may be folded


def test_a_second_press_on_train_overwrites_nothing(address: str, open_page: Open, tmp_path: Path):
    page = open_page(address)
    page.fill(field("train", "optim.steps"), "5")
    press(page, "train")
    wait_state(page, "finished")
    tick(page, "train", "embedding_overwrite")
    press(page, "train")  # asked for: the run overwrites
    wait_unticked(page, "train", "embedding.overwrite")
    wait_state(page, "finished")
    assert "trained" not in page.inner_text("#ti_lab_progress")
    assert not ticked(open_page(address), "train", "embedding.overwrite"), "nor does a page that is opened now"
    page.wait_for_selector("#ti_lab_train_button:not([disabled])")
    press(page, "train")
    wait_state(page, "failed")
    assert "exists and is trained" in page.inner_text("#ti_lab_progress")


def test_a_start_that_is_refused_leaves_the_tick(address: str, open_page: Open):
    page = open_page(address)
    tick(page, "train", "embedding_overwrite")
    page.fill(field("train", "embedding.name"), "")
    press(page, "train")
    page.wait_for_selector("#ti_lab_train_embedding_name_fault:has-text('missing')")
    assert ticked(page, "train", "embedding.overwrite")


def test_create_and_prepare_take_their_ticks_back_once_used(address: str, open_page: Open, tmp_path: Path):
    (tmp_path / "in").mkdir()
    Image.new("RGB", (64, 64)).save(tmp_path / "in" / "a thing.png")
    page = open_page(address)
    tick(page, "train", "embedding_overwrite")
    open_tab(page, "Create")
    page.fill(field("create", "name"), "firefly")
    page.click("#ti_lab_create")
    page.wait_for_selector("#ti_lab_created .ti_lab_good")
    wait_unticked(page, "train", "embedding.overwrite")  # or Train would begin without what was created
    unfold(page, "File")
    tick(page, "create", "overwrite")
    page.click("#ti_lab_create")
    wait_unticked(page, "create", "overwrite")
    page.click("#ti_lab_create")
    page.wait_for_selector("#ti_lab_created >> text=/firefly.safetensors exists/")

    open_tab(page, "Data set")
    page.fill(field("dataset", "folders.source"), str(tmp_path / "in"))
    page.fill(field("dataset", "folders.destination"), str(tmp_path / "out"))
    tick(page, "dataset", "folders_overwrite")
    press(page, "prepare")
    page.wait_for_selector("#ti_lab_prepared .ti_lab_state.finished")
    assert not ticked(page, "dataset", "folders.overwrite")
    press(page, "prepare")
    page.wait_for_selector("#ti_lab_prepared >> text=/Output directory: .*is not empty/")


def test_train_uses_the_seed_that_check_showed(address: str, open_page: Open):
    page = open_page(address)
    page.fill(field("train", "optim.steps"), "5")
    press(page, "check")
    page.wait_for_selector("#ti_lab_checked table")
    shown = seed_in(page, "checked")
    press(page, "train")
    wait_state(page, "finished")
    assert seed_in(page, "plan") == shown
    unfold(page, "Seed, memory and speed")
    assert page.input_value(field("train", "run.seed")) == "-1"
    tick(page, "train", "embedding_overwrite")
    press(page, "train")  # without a Check it is drawn anew
    page.wait_for_function("shown => !document.querySelector('#ti_lab_plan')?.textContent.includes(shown)", arg=shown)
    later = open_page(address)
    unfold(later, "Seed, memory and speed")
    assert later.input_value(field("train", "run.seed")) == "-1"


def test_what_check_and_train_said_goes_with_the_form(address: str, open_page: Open, shoot: Shoot, gradio_name: str):
    page = open_page(address)
    press(page, "check")
    page.wait_for_selector("#ti_lab_checked .ti_lab_good >> text=Everything is in order")
    assert page.query_selector(OLD) is None
    page.fill(field("train", "data.folder"), "empty")
    page.wait_for_selector(f"#ti_lab_checked {OLD} >> text=The form has changed since")
    shoot(page, f"{gradio_name}-answer-of-another-form")
    press(page, "check")
    page.wait_for_selector("#ti_lab_notice >> text=is broken")
    assert "Everything is in order" not in page.inner_text("#ti_lab_root")
    page.wait_for_selector("#ti_lab_train_data_template_fault:has-text('there is no template')")
    page.fill(field("train", "embedding.name"), "other")
    page.wait_for_selector(f"#ti_lab_notice {OLD}")
    assert "there is no template" in page.inner_text("#ti_lab_train_data_template_fault"), "still true of its field"
    page.fill(field("train", "optim.batch_size"), "0")
    press(page, "train")
    page.wait_for_selector("#ti_lab_train_optim_batch_size_fault:has-text('below the least')")
    assert page.query_selector(OLD) is None
    page.fill(field("train", "optim.batch_size"), "2")
    page.wait_for_selector("#ti_lab_train_optim_batch_size_fault .ti_lab_fault", state="detached")
    page.fill(field("train", "data.folder"), "pictures")
    press(page, "check")
    page.wait_for_selector("#ti_lab_checked .ti_lab_good")
    assert page.query_selector("#ti_lab_notice .ti_lab_failure") is None


def test_the_same_refusal_twice_is_told_twice(address: str, open_page: Open):
    page = open_page(address)
    page.fill(field("train", "optim.batch_size"), "0")
    press(page, "check")
    page.wait_for_selector("#ti_lab_notice .ti_lab_failure")
    page.fill(field("train", "optim.batch_size"), "1")
    page.wait_for_selector(f"#ti_lab_notice {OLD}")
    page.fill(field("train", "optim.batch_size"), "0")
    press(page, "check")
    page.wait_for_selector(f"#ti_lab_notice {OLD}", state="detached")
    page.wait_for_selector("#ti_lab_notice .ti_lab_failure:has-text('Batch size is 0')")
    page.wait_for_selector("#ti_lab_train_optim_batch_size_fault:has-text('below the least')")


def test_creates_answer_is_about_the_name_that_it_was_given(address: str, open_page: Open, tmp_path: Path):
    (tmp_path / "firefly.safetensors").write_bytes(b"trained")
    page = open_page(address)
    open_tab(page, "Create")
    page.fill(field("create", "name"), "firefly")
    page.click("#ti_lab_create")
    page.wait_for_selector("#ti_lab_created >> text=/firefly.safetensors exists/")
    page.fill(field("create", "name"), "firefly2")
    page.wait_for_selector(f"#ti_lab_created {OLD}")
    page.click("#ti_lab_create")
    page.wait_for_selector("#ti_lab_created .ti_lab_good >> text=firefly2.safetensors")
    assert page.query_selector(f"#ti_lab_created {OLD}") is None, "what it filled and unticked itself is no change"
    choose(page, "create", "source", "random")
    page.wait_for_selector(f"#ti_lab_created {OLD}")


def test_what_was_said_of_a_data_set_is_about_its_folder_and_trains_settings(
    address: str, open_page: Open, tmp_path: Path
):
    (tmp_path / "in").mkdir()
    for number in range(2):
        Image.new("RGB", (64, 64), (number, 9, 9)).save(tmp_path / "in" / f"{number} thing.png")
    page = open_page(address)
    open_tab(page, "Data set")
    press(page, "prepare")
    page.wait_for_selector("#ti_lab_dataset_notice >> text=Input directory is missing")
    page.fill(field("dataset", "folders.source"), "x")
    page.wait_for_selector(f"#ti_lab_dataset_notice {OLD}")
    page.fill("#ti_lab_album_folder :is(input, textarea)", str(tmp_path / "in"))
    press(page, "prove")
    page.wait_for_selector("#ti_lab_proof >> text=Training can use all 2 pictures")
    page.fill("#ti_lab_album_folder :is(input, textarea)", str(tmp_path))
    page.wait_for_selector(f"#ti_lab_proof {OLD}")
    page.fill("#ti_lab_album_folder :is(input, textarea)", str(tmp_path / "in"))
    press(page, "prove")
    page.wait_for_selector(f"#ti_lab_proof {OLD}", state="detached")
    open_tab(page, "Train")
    page.fill(field("train", "data.width"), "128")
    open_tab(page, "Data set")
    page.wait_for_selector(f"#ti_lab_proof {OLD}")


def test_what_merge_inspect_and_library_said_is_about_what_stood_there(
    merging: tuple[str, Path], open_page: Open, shoot: Shoot, gradio_name: str
):
    address, _ = merging
    page = open_page(address)
    open_tab(page, "Merge")
    page.fill(field("merge", "expression"), "'red' + 'blue'")
    assert page.query_selector(f"#ti_lab_merged {OLD}") is None, "an introduction is no answer"
    page.fill(field("merge", "name"), "answered")
    page.click("#ti_lab_merge")
    page.wait_for_selector("#ti_lab_merged .ti_lab_good >> text=answered.safetensors")
    unfold(page, "File")
    tick(page, "merge", "overwrite")
    page.wait_for_selector(f"#ti_lab_merged {OLD}")
    page.click("#ti_lab_merge")
    wait_unticked(page, "merge", "overwrite")
    page.wait_for_selector(f"#ti_lab_merged {OLD}", state="detached")
    page.click("#ti_lab_merge")
    page.wait_for_selector("#ti_lab_merged >> text=/answered.safetensors exists/")
    assert page.is_disabled("#ti_lab_use"), "nothing was merged that could be used"
    page.fill(field("merge", "name"), "another")
    page.wait_for_selector(f"#ti_lab_merged {OLD}")

    open_tab(page, "Inspect")
    choose(page, "inspect", "source", "typed")
    page.fill(field("inspect", "typed"), "'red'")
    page.click("#ti_lab_inspect")
    page.wait_for_selector("#ti_lab_inspected .ti_lab_nearest, #ti_lab_inspected table")
    page.click("#ti_lab_decompose")
    page.wait_for_selector("#ti_lab_tokens >> text=/Left unexplained/")
    page.fill(field("inspect", "typed"), "'blue'")
    page.wait_for_selector(f"#ti_lab_inspected {OLD}")
    page.wait_for_selector(f"#ti_lab_tokens {OLD}")
    shoot(page, f"{gradio_name}-inspect-of-another-text")
    page.click("#ti_lab_edit")
    page.wait_for_selector("#ti_lab_merge_check >> text=/vector/")
    assert "exists" not in page.inner_text("#ti_lab_merged"), "what was refused was another expression"

    open_tab(page, "Library")
    unfold(page, "Make again for this model")
    page.fill(field("again_all", "name"), "")
    page.click("#ti_lab_make_again_all")
    page.wait_for_selector("#ti_lab_not_made_again_all >> text=Name is missing")
    page.fill(field("again_all", "name"), "[name]")
    page.wait_for_selector(f"#ti_lab_not_made_again_all {OLD}")
    tick(page, "again_all", "overwrite")
    page.click("#ti_lab_make_again_all")
    page.wait_for_selector("#ti_lab_made_again_all >> text=/Nothing to do|Made again/")
    assert page.query_selector("#ti_lab_not_made_again_all p") is None
    wait_unticked(page, "again_all", "overwrite")
