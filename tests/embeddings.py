"""Two embeddings that many tests use, and the folder of real files; fixtures that a conftest takes in."""

from pathlib import Path

import pytest
import torch

from lib_ti.embedding.embedding import Embedding

DATA = Path(__file__).parent / "data"


@pytest.fixture
def data() -> Path:
    return DATA


def vectors(rows: int, width: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(rows, width, generator=torch.Generator().manual_seed(seed)) * 0.02


@pytest.fixture
def sd1() -> Embedding:
    return Embedding(
        "my-cat",
        {"clip_l": vectors(3, 768)},
        step=120,
        family="sd1",
        model_name="some model ü",
        model_hash="0123456789",
        recipe={"source": "text", "init": 'cat\'s "ear" ü', "tokens": [2368]},
        token_tables={"clip_l": "abc"},
        created="2024-05-06T07:08:09+00:00",
    )


@pytest.fixture
def sdxl() -> Embedding:
    return Embedding("my-cat", {"clip_l": vectors(2, 768), "clip_g": vectors(2, 1280, 1)}, step=7, family="sdxl")
