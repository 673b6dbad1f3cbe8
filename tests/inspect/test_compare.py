"""Comparisons: a user would take two embeddings for the same, or for different ones."""

from pathlib import Path

import pytest
import torch

from lib_ti.adapters.detect import open_standalone
from lib_ti.embedding.embedding import Embedding
from lib_ti.errors import InvalidEmbedding, InvalidText
from lib_ti.inspect.compare import compare_embeddings, compare_models, compare_with_text
from tests.merge.text_model import SmallTextModel
from tests.toy_host import ToyHost


def embedding(*rows: tuple[float, float]) -> Embedding:
    return Embedding("a", {"clip_l": torch.tensor(rows)})


def test_rows_are_compared_in_pairs() -> None:
    found = compare_embeddings(embedding((3, 4), (1, 0), (0, 0), (1, 1)), embedding((3, 4), (0, 2), (1, 1)))["clip_l"]
    assert [pair.cosine for pair in found] == [pytest.approx(1), pytest.approx(0), None]
    assert [pair.distance for pair in found] == pytest.approx([0, 5**0.5, 2**0.5])
    assert found[1].lengths == (1, 2)


def test_embeddings_of_two_families_are_refused() -> None:
    with pytest.raises(InvalidEmbedding, match="clip_l 2"):
        compare_embeddings(embedding((1, 2)), Embedding("b", {"clip_h": torch.ones(1, 3)}))


def test_one_file_on_two_models_shows_what_each_makes_of_it() -> None:
    first, second = SmallTextModel(), SmallTextModel()
    second.tables = {"clip_l": first.tables["clip_l"].flip(0) * 2}
    mine = Embedding("mine", {"clip_l": first.token_vectors([7], "clip_l")})
    found = compare_models(mine, first, second)["clip_l"]
    assert abs(found.likeness) < 0.1, "the vocabularies have nothing in common"
    one, other = found.tables
    assert one.rows[0].nearest[0].token == 7
    assert other.rows[0].nearest[0].token == len(first.tables["clip_l"]) - 1 - 7
    assert other.vocabulary_length == pytest.approx(2 * one.vocabulary_length)


def test_models_of_one_vocabulary_are_alike() -> None:
    host = SmallTextModel()
    mine = Embedding("mine", {"clip_l": torch.ones(1, SmallTextModel().widths["clip_l"])})
    assert compare_models(mine, host, host)["clip_l"].likeness == pytest.approx(1)


def test_a_model_of_another_family_is_refused() -> None:
    with pytest.raises(InvalidEmbedding):
        compare_models(
            Embedding("mine", {"clip_l": torch.ones(1, SmallTextModel().widths["clip_l"])}),
            SmallTextModel(),
            SmallTextModel("sdxl"),
        )


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
