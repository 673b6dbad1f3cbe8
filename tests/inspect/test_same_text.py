"""A user would lose: the proof that an embedding means what its text means, and how far it is from it where not."""

from pathlib import Path

import pytest
import torch

from lib_ti.adapters.detect import open_standalone
from lib_ti.embedding.embedding import Embedding
from lib_ti.errors import InvalidText
from lib_ti.inspect.same_text import compare_with_text
from tests.toy_host import ToyHost


@pytest.mark.parametrize("family", ["sd1", "sdxl"])
@pytest.mark.parametrize("prompt", ["[name]", "a photo of [name] in the snow"])
def test_the_words_themselves_are_the_same(tmp_path: Path, family: str, prompt: str) -> None:
    host = ToyHost(tmp_path, family)
    ids = host.tokenize("red cat")
    mine = Embedding("mine", {name: host.token_vectors(ids, name) for name in host.widths})
    found = compare_with_text(host, mine, "red cat", prompt)
    assert found.same
    assert set(found.largest.values()) == {0.0}


def test_other_words_are_not_and_the_difference_is_told(tmp_path: Path) -> None:
    host = ToyHost(tmp_path)
    mine = Embedding("mine", {"clip_l": host.token_vectors(host.tokenize("red cat"), "clip_l")})
    found = compare_with_text(host, mine, "blue cat")
    assert not found.same
    assert 0 < found.largest["crossattn"] <= 2 * found.scale["crossattn"]


@pytest.mark.parametrize("model", ["demo", "demo-xl"])
def test_a_real_text_encoder_agrees(tmp_path: Path, model: str) -> None:
    host = open_standalone(model, "cpu", "fp32", tmp_path, tmp_path / "logs")
    ids = host.tokenize("red circle")
    vectors = {e.name: host.token_vectors(ids, e.name) for e in host.model().encoders}
    prompt = "a photo of [name], [name]"
    # "circle" as a name must not be mistaken for the word in the text.
    assert compare_with_text(host, Embedding("circle", vectors), "red circle", prompt).same
    halved = Embedding("circle", {name: matrix * 0.5 for name, matrix in vectors.items()})
    assert not compare_with_text(host, halved, "red circle", prompt).same


def test_a_prompt_without_the_name_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidText, match="no \\[name\\]"):
        compare_with_text(ToyHost(tmp_path), Embedding("a", {"clip_l": torch.ones(1, 6)}), "cat", "a photo")


def test_a_prompt_that_cuts_the_embedding_off_is_refused(tmp_path: Path) -> None:
    long = " ".join(["word"] * 30) + " [name]"
    with pytest.raises(InvalidText, match="0 of the embedding's 1"):
        compare_with_text(ToyHost(tmp_path), Embedding("a", {"clip_l": torch.ones(1, 6)}), "cat", long)
