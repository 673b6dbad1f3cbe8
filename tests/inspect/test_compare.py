"""A user would lose: whether two embeddings, or two models, are alike."""

import pytest
import torch

from lib_ti.embedding.embedding import Embedding
from lib_ti.errors import InvalidEmbedding
from lib_ti.inspect.compare import compare_embeddings, compare_models
from tests.merge.text_model import SmallTextModel


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
