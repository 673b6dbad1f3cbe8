"""An embedding that is broken, or made for another model, must be stopped before it spoils a prompt."""

import pytest
import torch

from lib_ti.embedding.embedding import Embedding
from lib_ti.errors import InvalidEmbedding
from lib_ti.host import EncoderInfo, ModelInfo

SD1 = ModelInfo("one", "", "sd1", (EncoderInfo("clip_l", 768, 49407),), "epsilon", 512)
SD2 = ModelInfo("two", "", "sd2", (EncoderInfo("clip_h", 1024, 0),), "v_prediction", 768)
SDXL = ModelInfo("xl", "", "sdxl", (EncoderInfo("clip_l", 768, 49407), EncoderInfo("clip_g", 1280, 0)), "epsilon", 1024)
TINY = ModelInfo("tiny", "", "sd1", (EncoderInfo("clip_l", 64, 49407),), "epsilon", 64)


def test_a_snapshot_of_a_running_training_does_not_change_with_it() -> None:
    live = torch.nn.Parameter(torch.ones(2, 4, dtype=torch.float64))
    snapshot = Embedding("a", {"clip_l": live})
    with torch.no_grad():
        live.add_(1)
    assert torch.equal(snapshot.vectors["clip_l"], torch.ones(2, 4))
    assert snapshot.rows == 2
    assert snapshot.widths == {"clip_l": 4}


@pytest.mark.parametrize(
    ("vectors", "words"),
    [
        ({}, "no vectors"),
        ({"clip_l": torch.ones(4)}, "shape 4"),
        ({"clip_l": torch.ones(0, 4)}, "shape 0x4"),
        ({"clip_l": torch.ones(1, 2, 3)}, "shape 1x2x3"),
        ({"clip_l": torch.ones(1025, 2)}, "1025x2"),
        ({"clip_l": torch.tensor([[1.0, float("nan")]])}, "NaN"),
        ({"clip_l": torch.tensor([[1e300]], dtype=torch.float64)}, "infinite"),
        ({"clip_l": torch.ones(2, 4), "clip_g": torch.ones(3, 5)}, "clip_l has 2, clip_g has 3"),
    ],
)
def test_what_would_spoil_a_prompt_is_refused(vectors: dict[str, torch.Tensor], words: str) -> None:
    with pytest.raises(InvalidEmbedding, match=words):
        Embedding("a", vectors)


def test_a_file_that_does_not_say_its_encoder_fits_a_model_of_its_width() -> None:
    fitted = Embedding("a", {"unknown": torch.ones(1, 64)}).fit_to(TINY)
    assert fitted.widths == {"clip_l": 64}
    assert fitted.family == "sd1"


def test_encoders_come_in_the_models_order() -> None:
    swapped = Embedding("a", {"clip_g": torch.ones(1, 1280), "clip_l": torch.ones(1, 768)})
    assert list(swapped.fit_to(SDXL).vectors) == ["clip_l", "clip_g"]


@pytest.mark.parametrize(
    ("embedding", "model", "words"),
    [
        (
            Embedding("a", {"clip_l": torch.ones(1, 768)}, family="sd1"),
            SDXL,
            ("SD1 (clip_l 768)", "clip_g 1280", "SDXL"),
        ),
        (Embedding("a", {"clip_l": torch.ones(1, 768)}, family="sd1"), SD2, ("clip_l 768", "clip_h 1024")),
        (Embedding("a", {"unknown": torch.ones(1, 64)}), SD1, ("64", "clip_l 768")),
        (Embedding("a", {"clip_l": torch.ones(1, 64)}, family="sd2"), TINY, ("SD2", "SD1")),
        (Embedding("a", {"unknown": torch.ones(1, 64)}), SDXL, ("unknown", "SDXL")),
    ],
)
def test_a_misfit_is_told_with_both_sizes_and_a_remedy(
    embedding: Embedding, model: ModelInfo, words: tuple[str, ...]
) -> None:
    with pytest.raises(InvalidEmbedding) as caught:
        embedding.fit_to(model)
    assert all(word in str(caught.value) for word in words)
    assert "checkpoint" in caught.value.hint


def test_vectors_are_told_apart_by_their_digest() -> None:
    one = Embedding("x", {"clip_l": torch.ones(2, 4)})
    assert one.digest == Embedding("y", {"clip_l": torch.ones(2, 4, dtype=torch.float16)}, step=5).digest
    others = [{"clip_l": torch.ones(4, 2)}, {"clip_h": torch.ones(2, 4)}, {"clip_l": torch.ones(2, 4) + 1e-6}]
    assert len({one.digest, *(Embedding("x", other).digest for other in others)}) == 4
