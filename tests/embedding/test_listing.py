"""A user would lose: quick typing in a large folder; or the file that was added just now."""

import os
import time
from pathlib import Path

import pytest

from lib_ti.embedding import listing
from lib_ti.embedding.embedding import Embedding
from lib_ti.embedding.files import save_embedding
from lib_ti.embedding.listing import Library


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
