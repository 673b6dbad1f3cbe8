"""A folder of years of embeddings: those that fit work in prompts, and no other file gets in the way."""

import os
from pathlib import Path

import torch

from lib_ti.adapters.standalone.session import load_folder
from lib_ti.embedding.embedding import Embedding
from lib_ti.formats.files import save_embedding
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
    found = load_folder(tmp_path, MODEL, besides=tmp_path / "logs")
    assert sorted(found) == ["one", "two"]
    assert found["two"].vectors["clip_l"].shape == (2, 768)


def test_copies_of_runs_do_not_replace_the_embedding(tmp_path: Path) -> None:
    save(tmp_path / "zork.safetensors", value=1.0)
    save(tmp_path / "logs" / "2026-01-01" / "zork" / "embeddings" / "zork-50.safetensors")
    save(tmp_path / "old" / "zork.safetensors", value=2.0)
    found = load_folder(tmp_path, MODEL, besides=tmp_path / "logs")
    assert sorted(found) == ["zork"]
    assert found["zork"].vectors["clip_l"][0, 0] == 1.0


def test_a_file_that_changed_is_read_again(tmp_path: Path) -> None:
    path = tmp_path / "zork.safetensors"
    save(path, value=1.0)
    assert load_folder(tmp_path, MODEL, tmp_path / "logs")["zork"].vectors["clip_l"][0, 0] == 1.0
    save(path, value=2.0)
    os.utime(path, ns=(1, 1))
    assert load_folder(tmp_path, MODEL, tmp_path / "logs")["zork"].vectors["clip_l"][0, 0] == 2.0


def test_a_folder_that_is_not_there_holds_nothing(tmp_path: Path) -> None:
    assert load_folder(tmp_path / "none", MODEL, tmp_path / "logs") == {}
