"""A user would lose: an SD1 embedding on SDXL, or would not be told what is lost on the way."""

from dataclasses import replace

import pytest
import torch

from lib_ti.embedding.embedding import Embedding
from lib_ti.embedding.families import ClipG, to_family
from lib_ti.errors import InvalidEmbedding


def test_sd1_to_sdxl_keeps_clip_l_and_says_that_clip_g_is_zero(sd1: Embedding) -> None:
    made = to_family(sd1, "sdxl")
    assert torch.equal(made.vectors["clip_l"], sd1.vectors["clip_l"])
    assert torch.equal(made.vectors["clip_g"], torch.zeros(3, 1280))
    assert made.family == "sdxl"
    assert "clip_g is zero" in made.notes[-1]
    assert made.step == 0, "as a whole it is not trained"
    assert made.recipe["step"] == 120
    assert made.recipe["recipe"] == sd1.recipe


def test_clip_g_can_be_made_of_a_text(sd1: Embedding) -> None:
    made = to_family(sd1, "sdxl", ClipG("a cat", lambda rows: torch.ones(rows, 1280)))
    assert torch.equal(made.vectors["clip_g"], torch.ones(3, 1280))
    assert "'a cat'" in made.notes[-1]


def test_sdxl_to_sd1_keeps_clip_l_alone_and_says_so(sdxl: Embedding) -> None:
    made = to_family(sdxl, "sd1")
    assert list(made.vectors) == ["clip_l"]
    assert torch.equal(made.vectors["clip_l"], sdxl.vectors["clip_l"])
    assert made.family == "sd1"
    assert "left out" in made.notes[-1]


def test_there_and_back_is_the_same(sd1: Embedding) -> None:
    back = to_family(to_family(sd1, "sdxl"), "sd1")
    assert torch.equal(back.vectors["clip_l"], sd1.vectors["clip_l"])


def test_what_is_of_that_family_stays_as_it_is(sd1: Embedding, sdxl: Embedding) -> None:
    assert to_family(sd1, "sd1") is sd1
    assert to_family(sdxl, "sdxl") is sdxl


@pytest.mark.parametrize("family", ["sd1", "sdxl"])
def test_sd2_shares_no_encoder(sd1: Embedding, family: str) -> None:
    sd2 = replace(sd1, vectors={"clip_h": torch.ones(1, 1024)}, family="sd2")
    with pytest.raises(InvalidEmbedding, match="SD2"):
        to_family(sd2, family)  # type: ignore[arg-type]
