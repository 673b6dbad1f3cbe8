"""Where a run keeps its files, so that none is lost among others."""

from pathlib import Path

import pytest

from lib_ti.errors import HostError
from lib_ti.training.start import find_states, new_run_folder


def test_layout_is_a1111s(tmp_path: Path) -> None:
    folder = new_run_folder(tmp_path, "foo")
    folder.make()
    assert folder.root.parent.parent == tmp_path
    assert folder.copy(500, ".safetensors").relative_to(folder.root) == Path("embeddings/foo-500.safetensors")
    assert folder.preview(500).relative_to(folder.root) == Path("images/foo-500.png")
    assert folder.preview_embedding(500).relative_to(folder.root) == Path("image_embeddings/foo-500.png")


def test_every_fresh_run_has_a_folder_of_its_own(tmp_path: Path) -> None:
    names = []
    for _ in range(3):
        folder = new_run_folder(tmp_path, "foo")
        folder.make()
        names.append(folder.root.name)
    assert names == ["foo", "foo-2", "foo-3"]


def test_states_of_all_days_are_found_and_no_other_embeddings(tmp_path: Path) -> None:
    mine = ["2026-01-01/foo/embeddings/foo-5.state", "2026-01-02/foo-2/embeddings/foo-10.state"]
    others = [
        "2026-01-01/foobar/embeddings/foobar-5.state",
        "2026-01-01/foo/embeddings/foo-5.safetensors",
        "2026-01-01/foo/embeddings/foo-x.state",
        "2026-01-01/f.o/embeddings/f.o-5.state",
        "notes/foo/embeddings/foo-5.state",
    ]
    for name in mine + others:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    assert sorted(find_states(tmp_path, "foo")) == sorted(tmp_path / name for name in mine)
    assert find_states(tmp_path / "missing", "foo") == []


def test_a_log_folder_that_cannot_be_made_is_told_before_any_work(tmp_path: Path) -> None:
    (tmp_path / "log").write_text("a file, not a folder")
    with pytest.raises(HostError, match="log folder"):
        new_run_folder(tmp_path / "log", "foo").make()
