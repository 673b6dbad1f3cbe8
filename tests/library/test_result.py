"""A user would lose: the warning that a new name takes over a word of every prompt, or another file's prompts."""

from pathlib import Path

import torch

from lib_ti.embedding.embedding import Embedding
from lib_ti.formats.files import save_embedding
from lib_ti.library.result import report_result
from tests.toy_host import ToyHost


def test_what_was_said_while_making_and_what_the_name_takes_over_is_told(tmp_path: Path) -> None:
    embedding = Embedding("moth", {"clip_l": torch.ones(2, 6)}, family="sd1", notes=("left out: wings",))
    path = tmp_path / "moth.safetensors"
    for place in (path, tmp_path / "moth.pt"):
        save_embedding(embedding, place)
    made = report_result(embedding, path, ToyHost(tmp_path))
    assert (made.name, made.family, made.vectors) == ("moth", "sd1", 2)
    told, word, twin = made.notes
    assert told == "left out: wings"
    assert "is a word that the model knows" in word
    assert "moth.pt has this name already" in twin
    assert made.values()["notes"] == [told, word, twin]
    assert made.values()["path"] == str(path)


def test_a_name_of_ordinary_words_is_remarked_apart_from_the_warnings(tmp_path: Path) -> None:
    embedding = Embedding("red moth", {"clip_l": torch.ones(2, 6)}, family="sd1")
    made = report_result(embedding, tmp_path / "red moth.safetensors", ToyHost(tmp_path))
    assert made.notes == ()
    assert "is made of words that the model knows" in made.remark
    assert made.values()["notes"] == [made.remark] == list(made.remarks)


def test_copies_of_runs_that_lie_in_the_library_are_no_other_embeddings(tmp_path: Path) -> None:
    embedding = Embedding("zzmoth", {"clip_l": torch.ones(2, 6)}, family="sd1")
    run = tmp_path / "logs" / "2024-05-06" / "zzmoth"
    (run / "embeddings").mkdir(parents=True)
    (run / "textual_inversion_loss.csv").touch()
    path = tmp_path / "zzmoth.safetensors"
    for place in (path, run / "embeddings" / "zzmoth 500.safetensors"):
        save_embedding(embedding, place)
    assert "zzmoth 500" not in str(report_result(embedding, path, ToyHost(tmp_path), tmp_path).notes)
    save_embedding(embedding, tmp_path / "logs" / "zzmoth 500.safetensors")
    assert "zzmoth 500" in str(report_result(embedding, path, ToyHost(tmp_path), tmp_path).notes)
