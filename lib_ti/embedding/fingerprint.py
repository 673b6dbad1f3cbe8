"""A picture for an embedding that has none: its own numbers, one band a row."""

import numpy as np
from PIL import Image

from lib_ti.embedding.embedding import Embedding

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
