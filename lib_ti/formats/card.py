"""The picture of an embedding: a drawing of its numbers where it has none, and the words on it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image, ImageDraw, ImageFont

if TYPE_CHECKING:
    from lib_ti.embedding.embedding import Embedding

_INK = (244, 247, 255)


def draw_card(picture: Image.Image, title: str, lines: Sequence[str]) -> Image.Image:
    """An RGB copy of `picture`, darkened towards its upper and lower edge, with `title` and, below, `lines`."""
    card = picture.convert("RGB")
    text_height = max(11, min(card.width, card.height) // 24)
    margin = text_height
    _darken(card, 3 * margin, from_top=True)
    _darken(card, round((2 + 1.5 * len(lines)) * margin), from_top=False)
    _write(card, title, round(1.5 * text_height), margin, margin)
    for number, line in enumerate(reversed(lines)):
        _write(card, line, text_height, margin, card.height - margin - round((1 + 1.4 * number) * text_height))
    return card


def _darken(card: Image.Image, height: int, from_top: bool) -> None:
    height = min(height, card.height)
    shade = Image.linear_gradient("L").resize((card.width, height)).point(lambda level: level * 3 // 4)
    if from_top:
        shade = shade.transpose(Image.Transpose.FLIP_TOP_BOTTOM)
    card.paste((12, 14, 24), (0, 0 if from_top else card.height - height), shade)


def _write(card: Image.Image, text: str, height: int, left: int, top: int) -> None:
    """One line of capitals `height` pixels high, smaller where the card is too narrow for it."""
    mask = _text_mask(text, height)
    scale = min(1.0, (card.width - 2 * left) / mask.width)
    if scale < 1:
        size = (max(1, round(mask.width * scale)), max(1, round(mask.height * scale)))
        mask = mask.resize(size, Image.Resampling.LANCZOS)
    card.paste(_INK, (left, top), mask)


def _text_mask(text: str, height: int) -> Image.Image:
    try:
        font = ImageFont.load_default(height)
    except TypeError:  # Pillow before 10.1, which A1111 pins, has one small font of Latin letters
        font = ImageFont.load_default()
        text = text.encode("latin-1", "replace").decode("latin-1")
    left, top, right, bottom = (round(side) for side in font.getbbox(text or " "))
    mask = Image.new("L", (max(1, right - left), max(1, bottom - top)))
    ImageDraw.Draw(mask).text((-left, -top), text, fill=255, font=font)
    return mask


_COLD, _MIDDLE, _WARM = (np.array(colour, np.float32) for colour in ((36, 99, 235), (18, 22, 38), (255, 140, 50)))


def draw_fingerprint(embedding: Embedding, side: int = 512) -> Image.Image:
    """RGB, `side` x `side`: rows from top to bottom, each encoder's numbers from left to right."""
    picture = np.zeros((side, side, 3), np.uint8)
    parts = [tensor.numpy() for tensor in embedding.vectors.values()]
    edges = np.linspace(0, side, len(parts) + 1).astype(int)
    for part, left, right in zip(parts, edges, edges[1:], strict=False):
        rows = np.arange(side) * len(part) // side
        columns = np.arange(right - left) * part.shape[1] // (right - left)
        values = np.tanh(part / max(2 * part.std(), 1e-12))[rows][:, columns, None]
        colours = np.where(values < 0, _MIDDLE - values * (_COLD - _MIDDLE), _MIDDLE + values * (_WARM - _MIDDLE))
        picture[:, left:right] = colours.astype(np.uint8)
    return Image.fromarray(picture)
