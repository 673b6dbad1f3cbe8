"""A user would lose: vectors mended without surprises, in every encoder alike."""

import math

import pytest
import torch

from lib_ti.embedding.embedding import Embedding
from lib_ti.errors import InvalidEmbedding
from lib_ti.merge.edits import (
    collapse,
    crop,
    drop_zero_rows,
    fit_to_chunk,
    lerp,
    mean_lengths,
    normalise,
    slerp,
)
from tests.merge.text_model import SmallTextModel

L = torch.tensor([[3.0, 4.0], [0.0, 0.0], [0.0, 2.0]])
G = torch.tensor([[1.0, 0.0, 0.0], [0.0, 0.0, 0.0], [0.0, 0.0, 0.0]])
BOTH = {"clip_l": L, "clip_g": G}


def test_rows_get_the_length_of_their_encoder_and_zeros_stay() -> None:
    result = normalise(BOTH, {"clip_l": 1.0, "clip_g": 0.5})
    assert torch.allclose(result["clip_l"], torch.tensor([[0.6, 0.8], [0, 0], [0, 1.0]]))
    assert torch.allclose(result["clip_g"].norm(dim=1), torch.tensor([0.5, 0, 0]))


def test_mean_lengths_are_the_vocabularys() -> None:
    host = SmallTextModel("sdxl")
    assert mean_lengths(host)["clip_g"] == pytest.approx(host.tables["clip_g"].norm(dim=1).mean().item())


def test_rows_are_dropped_only_where_zero_in_every_encoder() -> None:
    result = drop_zero_rows(BOTH)
    assert torch.equal(result["clip_l"], L[[0, 2]])
    assert torch.equal(result["clip_g"], G[[0, 2]])


def test_cropping_and_collapsing_leave_the_source_alone() -> None:
    short, one = crop(BOTH, 1), collapse(BOTH)
    short["clip_l"] += 1
    assert torch.equal(L[0], torch.tensor([3.0, 4.0]))
    assert torch.equal(one["clip_l"], torch.tensor([[1.0, 2.0]]))
    assert one["clip_g"].shape == (1, 3)


def test_lerp_fills_the_shorter_one_up() -> None:
    result = lerp({"clip_l": L}, {"clip_l": torch.tensor([[1.0, 0.0]])}, 0.25)
    assert torch.equal(result["clip_l"], torch.tensor([[2.5, 3.0], [0, 0], [0, 1.5]]))


def test_slerp_follows_the_arc_and_changes_length_evenly() -> None:
    a, b = torch.tensor([[2.0, 0.0]]), torch.tensor([[0.0, 4.0]])
    (row,) = slerp({"clip_l": a}, {"clip_l": b}, 1 / 3)["clip_l"]
    length = 2 + 2 / 3
    assert row.tolist() == pytest.approx([length * math.cos(math.pi / 6), length * math.sin(math.pi / 6)])


@pytest.mark.parametrize("share", [0.0, 1.0])
def test_slerp_ends_where_it_should(share: float) -> None:
    other = {"clip_l": torch.randn(3, 2), "clip_g": torch.randn(3, 3)}
    result = slerp(BOTH, other, share)
    assert all(torch.allclose(result[key], (BOTH, other)[int(share)][key], atol=1e-6) for key in BOTH)


def test_slerp_without_an_arc_is_lerp() -> None:
    a = torch.tensor([[1.0, 0.0], [1.0, 0.0], [0.0, 0.0]])
    b = torch.tensor([[3.0, 0.0], [-1.0, 0.0], [2.0, 2.0]])
    assert torch.equal(slerp({"clip_l": a}, {"clip_l": b}, 0.5)["clip_l"], torch.tensor([[2.0, 0], [0, 0], [1.0, 1.0]]))


def test_families_are_not_mixed() -> None:
    with pytest.raises(InvalidEmbedding, match=r"clip_l 2, clip_g 3.*clip_l 2\."):
        lerp(BOTH, {"clip_l": L}, 0.5)


def long_embedding(rows: int) -> Embedding:
    vectors = {"clip_l": torch.arange(rows * 2.0).view(rows, 2), "clip_g": torch.zeros(rows, 3)}
    return Embedding("mix", vectors, family="sdxl", recipe={"source": "expression"})


def test_what_fits_is_left_alone() -> None:
    embedding = long_embedding(75)
    assert fit_to_chunk(embedding) == [embedding]


def test_too_many_rows_are_refused_unless_asked_otherwise() -> None:
    with pytest.raises(InvalidEmbedding, match=r"76 vectors(.|\n)*Crop it to 75, or split it into mix-1, mix-2"):
        fit_to_chunk(long_embedding(76))


def test_long_embeddings_are_cropped_or_split_without_loss() -> None:
    embedding = long_embedding(160)
    (cropped,) = fit_to_chunk(embedding, "crop")
    assert (cropped.name, cropped.rows, cropped.recipe["cropped"]) == ("mix", 75, 75)
    parts = fit_to_chunk(embedding, "split")
    assert [(part.name, part.rows, part.recipe["part"]) for part in parts] == [
        ("mix-1", 75, "1 of 3"),
        ("mix-2", 75, "2 of 3"),
        ("mix-3", 10, "3 of 3"),
    ]
    for encoder, matrix in embedding.vectors.items():
        assert torch.equal(torch.cat([part.vectors[encoder] for part in parts]), matrix)
    assert {part.family for part in parts} == {"sdxl"}
