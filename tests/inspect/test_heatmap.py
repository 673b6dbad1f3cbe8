"""A user would lose: the picture in which a broken embedding is seen at once."""

import io
import warnings

import pytest
import torch
from PIL import Image

from lib_ti.embedding.embedding import Embedding
from lib_ti.inspect.heatmap import draw_heatmap
from lib_ti.inspect.inspection import inspect_embedding
from tests.merge.text_model import SmallTextModel


def draw(embedding: Embedding, host: SmallTextModel | None = None, dark: bool = False) -> Image.Image:
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # matplotlib warns of every sign that its font lacks
        return Image.open(io.BytesIO(draw_heatmap(inspect_embedding(embedding, host, nearest=3), dark))).convert("RGB")


@pytest.mark.parametrize("rows", [1, 5, 75])
@pytest.mark.parametrize("family", ["sd1", "sdxl"])
def test_every_size_is_drawn(family: str, rows: int) -> None:
    host = SmallTextModel(family)
    picture = draw(Embedding("a", {key: torch.randn(rows, width) for key, width in host.widths.items()}), host)
    assert picture.width == 1544
    assert picture.height > rows * 15 * len(host.widths)


def test_light_and_dark_have_their_grounds() -> None:
    mine = Embedding("a", {"clip_l": torch.ones(1, 4)})
    assert draw(mine).getpixel((0, 0)) == (255, 255, 255)
    assert max(draw(mine, dark=True).getpixel((0, 0))) < 40


def test_a_row_that_is_too_long_is_red() -> None:
    host = SmallTextModel()
    rows = host.token_vectors([5, 6], "clip_l")
    red = (208, 52, 44)

    def reds(vectors: torch.Tensor) -> int:
        picture = draw(Embedding("a", {"clip_l": vectors}), host)
        return sum(count for count, colour in picture.getcolors(10**6) if colour == red)

    assert reds(rows) == 0
    assert reds(rows * torch.tensor([[1.0], [50.0]])) > 1000


def test_a_number_among_a_thousand_is_seen() -> None:
    """1280 numbers fall on 768 pixels: the one that matters must not be the one that is dropped."""
    for place in (0, 1, 639, 1279):
        row = torch.full((1, 1280), 1e-3)
        row[0, place] = -1.0
        picture = draw(Embedding("a", {"clip_g": row}))
        colours = {colour for _, colour in picture.crop((72, 136, 840, 180)).getcolors(10**6)}
        assert any(blue > red + 80 for red, _, blue in colours), place


@pytest.mark.parametrize("name", ["$x$ \\frac{", "猫 \x07", "x" * 300, "{a}_b^c"])
def test_any_name_can_be_written(name: str) -> None:
    draw(Embedding(name, {"clip_l": torch.zeros(2, 3)}))
