"""A user would lose: minutes, when a large library is read anew with every start; or the list, when the cache is damaged."""

import json
from pathlib import Path
from typing import Any

import pytest

from lib_ti.embedding.embedding import Embedding
from lib_ti.formats.files import save_embedding
from lib_ti.library import header_cache
from lib_ti.library.header_cache import FILE, HeaderCache
from lib_ti.library.listing import Entry, read_listing


@pytest.fixture(autouse=True)
def every_header_is_worth_writing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(header_cache, "WORTH_WRITING", 1)


@pytest.fixture
def folder(tmp_path: Path, sd1: Embedding, sdxl: Embedding) -> Path:
    folder = tmp_path / "embeddings"
    save_embedding(sd1, folder / "my-cat.safetensors")
    save_embedding(sdxl, folder / "sub" / "big.safetensors")
    (folder / "broken.pt").write_bytes(b"no")
    return folder


def entries(folder: Path, file: Path) -> list[Entry]:
    """As a new process lists them."""
    return read_listing(folder, None, HeaderCache(file)).entries


def forbid_reading(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(path: Path) -> None:
        raise AssertionError(path)

    monkeypatch.setattr(header_cache, "load_header", fail)


def test_a_new_process_lists_the_same_without_reading_a_file(
    tmp_path: Path, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "logs" / FILE
    first = entries(folder, file)
    forbid_reading(monkeypatch)
    assert entries(folder, file) == first


def test_a_file_that_changed_is_read_anew(tmp_path: Path, folder: Path, sdxl: Embedding) -> None:
    file = tmp_path / FILE
    entries(folder, file)
    save_embedding(sdxl, folder / "my-cat.safetensors", overwrite=True)
    found = {entry.name: entry.family for entry in entries(folder, file)}
    assert found["my-cat"] == "SDXL"


DAMAGE: list[Any] = [
    b"",
    b"{",
    b"[]",
    b"[" * 100_000,
    b"\xff\xfe\x00",
    b'{"version": "another"}',
    lambda values: dict.fromkeys(values, 5),
    lambda values: {path: [*known[:2], 7] for path, known in values.items()},
    lambda values: {path: [*known[:2], {}] for path, known in values.items()},
    lambda values: {path: [*known[:2], {**known[2], "rows": "many"}] for path, known in values.items()},
    lambda values: {path: [*known[:2], {**known[2], "family": "sd9"}] for path, known in values.items()},
    lambda values: {path: [*known[:2], {**known[2], "widths": {"clip_l": None}}] for path, known in values.items()},
    lambda values: {path: [*known[:2], {**known[2], "notes": [1]}] for path, known in values.items()},
]


@pytest.mark.parametrize("damage", DAMAGE)
def test_a_damaged_cache_is_an_empty_one(tmp_path: Path, folder: Path, damage: Any) -> None:
    file = tmp_path / FILE
    first = entries(folder, file)
    if isinstance(damage, bytes):
        file.write_bytes(damage)
    else:
        values = json.loads(file.read_bytes())
        headers = {path: known for path, known in values.items() if path != "version" and isinstance(known[2], dict)}
        file.write_text(json.dumps({"version": values["version"], **damage(headers)}))
    assert entries(folder, file) == first
    assert json.loads(file.read_bytes())["version"]


def test_its_size_is_bounded(tmp_path: Path, sd1: Embedding, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in range(20):
        save_embedding(sd1, tmp_path / "all" / f"e{number:02}.safetensors")
    monkeypatch.setattr(header_cache, "MAX_BYTES", 5_000)
    file = tmp_path / FILE
    entries(tmp_path / "all", file)
    assert 1_000 < file.stat().st_size < 6_000
    monkeypatch.setattr(header_cache, "MAX_FILES", 3)
    monkeypatch.setattr(header_cache, "MAX_BYTES", 500_000)
    file.unlink()
    entries(tmp_path / "all", file)
    assert len(json.loads(file.read_bytes())) == 1 + 3


def test_a_cache_that_cannot_be_written_stops_nothing(tmp_path: Path, folder: Path) -> None:
    (tmp_path / "logs").write_text("a file where the folder should be")
    assert len(entries(folder, tmp_path / "logs" / FILE)) == 3


def test_a_few_files_leave_no_cache_behind(tmp_path: Path, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(header_cache, "WORTH_WRITING", 100)
    entries(folder, tmp_path / FILE)
    assert not (tmp_path / FILE).exists()
