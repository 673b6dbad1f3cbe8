"""A folder of years of embeddings: those that fit work in prompts, and no other file gets in the way."""

import gc
import os
import weakref
from pathlib import Path

import pytest
import torch

from lib_ti.adapters.standalone import session
from lib_ti.adapters.standalone.session import EmbeddingFolder
from lib_ti.embedding.embedding import Embedding
from lib_ti.formats.files import load_embedding, save_embedding
from lib_ti.host import EncoderInfo, ModelInfo

MODEL = ModelInfo("m", "", "sd1", (EncoderInfo("clip_l", 768, 49407),), "epsilon", 512)


def save(path: Path, width: int = 768, value: float = 1.0) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    save_embedding(Embedding(path.stem, {"clip_l": torch.full((2, width), value)}), path, overwrite=True)


def test_fitting_files_are_found_by_name_and_others_passed_over(tmp_path: Path) -> None:
    save(tmp_path / "one.safetensors")
    save(tmp_path / "style" / "two.pt")
    save(tmp_path / "sd2.safetensors", width=1024)
    (tmp_path / "broken.pt").write_bytes(b"nothing")
    (tmp_path / "empty.safetensors").touch()
    (tmp_path / "notes.txt").write_text("x")
    (tmp_path / "folder.pt").mkdir()
    found = EmbeddingFolder(tmp_path, tmp_path / "logs").fitting(MODEL)
    assert sorted(found) == ["one", "two"]
    assert found["two"].vectors["clip_l"].shape == (2, 768)


def test_copies_of_runs_do_not_replace_the_embedding(tmp_path: Path) -> None:
    save(tmp_path / "zork.safetensors", value=1.0)
    save(tmp_path / "logs" / "2026-01-01" / "zork" / "embeddings" / "zork-50.safetensors")
    save(tmp_path / "old" / "zork.safetensors", value=2.0)
    found = EmbeddingFolder(tmp_path, tmp_path / "logs").fitting(MODEL)
    assert sorted(found) == ["zork"]
    assert found["zork"].vectors["clip_l"][0, 0] == 1.0


def test_a_file_that_changed_is_read_again(tmp_path: Path) -> None:
    path = tmp_path / "zork.safetensors"
    save(path, value=1.0)
    folder = EmbeddingFolder(tmp_path, tmp_path / "logs")
    assert folder.fitting(MODEL)["zork"].vectors["clip_l"][0, 0] == 1.0
    save(path, value=2.0)
    os.utime(path, ns=(1, 1))
    assert folder.fitting(MODEL)["zork"].vectors["clip_l"][0, 0] == 2.0


def test_nothing_is_kept_of_files_as_they_were_or_that_are_gone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of each training and each merge a user would lose memory, until the program ends."""
    alive, read = weakref.WeakSet[Embedding](), []

    def load(path: Path) -> Embedding:
        embedding = load_embedding(path)
        alive.add(embedding)
        read.append(path)
        return embedding

    monkeypatch.setattr(session, "load_embedding", load)
    folder = EmbeddingFolder(tmp_path, tmp_path / "logs")
    for number in range(5):
        save(tmp_path / f"{number}.safetensors")
        save(tmp_path / "zork.safetensors", value=number)
        os.utime(tmp_path / "zork.safetensors", ns=(1, number + 1))
        folder.fitting(MODEL)
        folder.fitting(MODEL)
        (tmp_path / f"{number}.safetensors").unlink()
    folder.fitting(MODEL)
    gc.collect()
    assert len(alive) == 1
    assert len(read) == 10, "each once"


def test_a_folder_that_is_not_there_holds_nothing(tmp_path: Path) -> None:
    assert EmbeddingFolder(tmp_path / "none", tmp_path / "logs").fitting(MODEL) == {}
