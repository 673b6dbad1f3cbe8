"""The list of a folder: a user would lose files, see wrong marks, or wait at every key."""

import os
import time
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from PIL import Image

from lib_ti.embedding.embedding import Embedding
from lib_ti.errors import InvalidEmbedding
from lib_ti.formats.files import save_embedding
from lib_ti.formats.png import write_preview_png
from lib_ti.host import EncoderInfo, ModelInfo
from lib_ti.library import listing
from lib_ti.library.listing import Entry, FolderEmbeddings, Library, filter_entries, list_library
from tests.embeddings import vectors

SD1 = ModelInfo("some model ü", "0123456789", "sd1", (EncoderInfo("clip_l", 768, 49407),), "epsilon", 512)


def by_name(folder: Path) -> dict[str, Entry]:
    return {entry.name: entry for entry in list_library(folder)}


def test_all_that_is_known_of_a_file_is_listed(tmp_path: Path, sd1: Embedding, sdxl: Embedding) -> None:
    save_embedding(sd1, tmp_path / "sub" / "my-cat.safetensors")
    save_embedding(sdxl, tmp_path / "big.safetensors")
    Image.new("RGB", (8, 8)).save(tmp_path / "big.preview.png")
    big, cat = list_library(tmp_path)
    assert (cat.name, cat.family, cat.date, cat.recipe) == (
        "my-cat",
        "SD1",
        "2024-05-06T07:08:09+00:00",
        "text 'cat\\'s \"ear\" ü'",
    )
    assert cat.header
    assert (cat.header.rows, cat.header.step, cat.header.model_name) == (3, 120, "some model ü")
    assert (big.family, big.thumbnail, cat.thumbnail) == ("SDXL", tmp_path / "big.preview.png", None)


def test_a_broken_file_is_listed_with_its_reason(tmp_path: Path, sd1: Embedding) -> None:
    save_embedding(sd1, tmp_path / "good.safetensors")
    (tmp_path / "empty.pt").touch()
    (tmp_path / "rubbish.safetensors").write_bytes(b"\0" * 100)
    (tmp_path / "notes.txt").write_text("no embedding")
    found = by_name(tmp_path)
    assert set(found) == {"good", "empty", "rubbish"}
    assert "empty" in found["empty"].fault
    assert found["rubbish"].header is None
    assert found["rubbish"].fault


def test_a_picture_beside_its_embedding_is_a_thumbnail_and_one_alone_an_embedding(
    tmp_path: Path, sd1: Embedding
) -> None:
    save_embedding(sd1, tmp_path / "a.safetensors")
    picture = Image.new("RGB", (256, 256), "gray")
    picture.save(tmp_path / "a.png")
    picture.save(tmp_path / "plain.png")
    (tmp_path / "card.PNG").write_bytes(write_preview_png(picture, sd1))
    found = {entry.path.name: entry for entry in list_library(tmp_path)}
    assert set(found) == {"a.safetensors", "plain.png", "card.PNG"}
    assert found["a.safetensors"].thumbnail == tmp_path / "a.png"
    assert found["card.PNG"].thumbnail == tmp_path / "card.PNG"
    assert found["card.PNG"].name == "my-cat", "a picture goes by the name inside"
    assert "no embedding" in found["plain.png"].fault


def test_files_of_one_name_are_told(tmp_path: Path, sd1: Embedding) -> None:
    one, two = tmp_path / "x.safetensors", tmp_path / "sub" / "X.pt"
    save_embedding(sd1, one)
    save_embedding(sd1, two)
    save_embedding(sd1, tmp_path / "y.safetensors")
    found = {entry.path: entry.shadows for entry in list_library(tmp_path)}
    assert found == {one: [two], two: [one], tmp_path / "y.safetensors": []}


def test_a_file_saved_anew_is_read_anew(tmp_path: Path, sd1: Embedding) -> None:
    path = tmp_path / "x.safetensors"
    save_embedding(sd1, path)
    assert list_library(tmp_path)[0].header.rows == 3
    save_embedding(Embedding("x", {"clip_l": vectors(5, 768)}), path, overwrite=True)
    assert list_library(tmp_path)[0].header.rows == 5


def test_copies_of_runs_are_left_out_by_whatever_path(tmp_path: Path, sd1: Embedding) -> None:
    save_embedding(sd1, tmp_path / "x.safetensors")
    save_embedding(sd1, tmp_path / "logs" / "day" / "x-10.safetensors")
    besides = tmp_path / "other" / ".." / "logs"
    (tmp_path / "other").mkdir()
    assert [entry.name for entry in list_library(tmp_path, besides)] == ["x"]
    assert [entry.name for entry in list_library(tmp_path / "logs", besides)] == ["x-10"], "where one asks for them"


def test_runs_that_lie_among_the_embeddings_are_left_out(tmp_path: Path, sd1: Embedding) -> None:
    save_embedding(sd1, tmp_path / "x.safetensors")
    run = tmp_path / "elsewhere" / "logs" / "day" / "x"
    save_embedding(sd1, run / "embeddings" / "x-10.safetensors")
    Image.new("RGB", (8, 8)).save(run / "loss.png")
    (run / "textual_inversion_loss.csv").write_text("step,epoch,epoch_step,loss,learn_rate\n")
    assert [entry.path for entry in list_library(tmp_path)] == [tmp_path / "x.safetensors"]


@pytest.mark.skipif(os.name == "nt", reason="links need rights there")
def test_links_are_followed_once(tmp_path: Path, sd1: Embedding) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "folder").mkdir()
    save_embedding(sd1, tmp_path / "real" / "x.safetensors")
    (tmp_path / "folder" / "link").symlink_to(tmp_path / "real")
    (tmp_path / "real" / "round").symlink_to(tmp_path / "folder")
    assert [entry.name for entry in list_library(tmp_path / "folder")] == ["x"]


def test_no_folder_is_an_empty_library(tmp_path: Path) -> None:
    assert list_library(tmp_path / "gone", tmp_path) == []


@pytest.mark.parametrize(
    ("typed", "names"),
    [
        ("", {"my-cat", "big", "rubbish"}),
        ("CAT", {"my-cat"}),
        ("sdxl", {"big"}),
        ("sub EAR", {"my-cat"}),
        ("some ü model", {"my-cat"}),
        ("damaged", {"rubbish"}),
        ("cat sdxl", set()),
    ],
)
def test_it_is_filtered_as_one_types(
    tmp_path: Path, sd1: Embedding, sdxl: Embedding, typed: str, names: set[str]
) -> None:
    save_embedding(sd1, tmp_path / "sub" / "my-cat.safetensors")
    save_embedding(sdxl, tmp_path / "big.safetensors")
    (tmp_path / "rubbish.safetensors").write_bytes(b"\x20\0\0\0\0\0\0\0{" + b"\0" * 100)
    assert {entry.name for entry in filter_entries(list_library(tmp_path), typed)} == names


@pytest.mark.parametrize(
    ("changes", "match"),
    [
        ({}, "this"),
        ({"model_hash": "0123456789", "model_name": "renamed"}, "this"),
        ({"model_hash": "ffffffffff"}, "other"),
        ({"model_hash": "", "model_name": "another"}, "other"),
        ({"model_hash": "81761151", "model_name": "some model ü"}, "this"),  # A1111 of 2022
        ({"model_hash": "81761151", "model_name": ""}, "unknown"),
        ({"model_hash": "", "model_name": ""}, "unknown"),
        ({"vectors": {"clip_h": torch.ones(1, 1024)}, "family": "sd2"}, "misfit"),
    ],
)
def test_it_says_which_were_made_on_another_model(
    tmp_path: Path, sd1: Embedding, changes: dict[str, object], match: str
) -> None:
    save_embedding(replace(sd1, **changes), tmp_path / "x.safetensors")
    assert list_library(tmp_path)[0].match(SD1) == match


def test_expressions_find_the_embedding_that_fits_the_model(tmp_path: Path, sd1: Embedding, sdxl: Embedding) -> None:
    save_embedding(sdxl, tmp_path / "cat.safetensors")
    save_embedding(sd1, tmp_path / "sub" / "cat.safetensors")
    save_embedding(sdxl, tmp_path / "dog.safetensors")
    known = FolderEmbeddings(list_library(tmp_path), SD1)
    assert sorted(known) == ["cat", "dog"]
    assert known.headers["cat"].family == "sd1"
    assert torch.equal(known["cat"].vectors["clip_l"], sd1.vectors["clip_l"])
    (tmp_path / "dog.safetensors").write_bytes(b"spoilt meanwhile")
    with pytest.raises(InvalidEmbedding):
        known["dog"]
    (tmp_path / "dog.safetensors").unlink()
    with pytest.raises(KeyError):
        known["dog"]


def test_listing_again_reads_no_file(tmp_path: Path, sd1: Embedding, monkeypatch: pytest.MonkeyPatch) -> None:
    save_embedding(sd1, tmp_path / "x.safetensors")
    os.utime(tmp_path / "x.safetensors", ns=(time.time_ns(), 12345))
    first = list_library(tmp_path)

    def fail(path: Path) -> None:
        raise AssertionError(path)

    monkeypatch.setattr("lib_ti.library.header_cache.load_header", fail)
    assert list_library(tmp_path) == first


@pytest.fixture
def folder(tmp_path: Path, sd1: Embedding) -> Path:
    folder = tmp_path / "embeddings"
    save_embedding(sd1, folder / "sub" / "x.safetensors")
    settle(folder)
    return folder


def settle(folder: Path) -> None:
    """As if nothing had changed for a minute."""
    for place in (folder, folder / "sub"):
        os.utime(place, (time.time() - 60, time.time() - 60))


def test_while_nothing_changes_the_folder_is_not_walked_again(
    tmp_path: Path, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    library, logs = Library(), tmp_path / "logs"
    first = library.entries(folder, logs)
    assert library.entries(folder, logs, quick=True) is first
    assert library.entries(folder, logs) is not first, "only where it is asked for"
    monkeypatch.setattr(listing, "SECONDS", 0)
    again = library.entries(folder, logs, quick=True)
    assert again is not first, "not for ever"
    assert again == first


@pytest.mark.parametrize("place", [".", "sub", "sub/deeper"])
def test_a_new_file_is_seen_at_once(tmp_path: Path, folder: Path, sd1: Embedding, place: str) -> None:
    library, logs = Library(), tmp_path / "logs"
    library.entries(folder, logs)
    save_embedding(sd1, folder / place / "y.safetensors")
    assert [entry.name for entry in library.entries(folder, logs, quick=True)] == ["x", "y"]
    save_embedding(sd1, folder / place / "z.safetensors")
    assert len(library.entries(folder, logs, quick=True)) == 3, "even within one tick of the file system's clock"
    (folder / place / "y.safetensors").unlink()
    settle(folder)
    assert [entry.name for entry in library.entries(folder, logs, quick=True)] == ["x", "z"]


def test_a_folder_that_comes_later_is_seen(tmp_path: Path, sd1: Embedding) -> None:
    library = Library()
    assert library.entries(tmp_path / "later", tmp_path / "logs") == []
    save_embedding(sd1, tmp_path / "later" / "x.safetensors")
    assert len(library.entries(tmp_path / "later", tmp_path / "logs", quick=True)) == 1


def test_a_list_asked_for_meanwhile_in_another_thread_is_not_given_out(
    tmp_path: Path, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    library, logs = Library(), tmp_path / "logs"
    first = library.entries(folder, logs)
    modified = listing.modified

    def slow(place: Path) -> int:
        monkeypatch.setattr(listing, "modified", modified)
        library.entries(tmp_path / "other", logs)
        return modified(place)

    monkeypatch.setattr(listing, "modified", slow)
    assert library.entries(folder, logs, quick=True) is first


def test_a_file_of_a_year_that_no_calendar_has_does_not_take_the_list_away(tmp_path: Path, sd1: Embedding) -> None:
    for name, seconds in (("late", 2**40), ("early", -(2**40)), ("now", time.time())):
        path = tmp_path / f"{name}.safetensors"
        save_embedding(replace(sd1, created=""), path)
        try:
            os.utime(path, (seconds, seconds))
        except (OSError, OverflowError):
            pytest.skip("this file system knows no such years")
    assert {entry.name for entry in list_library(tmp_path)} == {"early", "late", "now"}
    assert listing._date(2.0**60) == listing._date(float("nan")) == ""


def test_a_folder_that_goes_away_while_it_is_walked_is_passed_over(
    tmp_path: Path, sd1: Embedding, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("gone", "here"):
        save_embedding(sd1, tmp_path / name / f"{name}.safetensors")
    identity = listing._identity

    def vanish(folder: Path) -> tuple[int, int]:
        if folder.name == "gone":
            raise FileNotFoundError(folder)
        return identity(folder)

    monkeypatch.setattr(listing, "_identity", vanish)
    assert [entry.name for entry in list_library(tmp_path)] == ["here"]
