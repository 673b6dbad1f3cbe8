"""The demo models' world: one coloured, textured shape on a near-white ground, drawn by formula.

Some combinations are held out: they are never drawn nor captioned in training, so that a textual inversion of them is
a new thing made of known parts.
"""

import random
from collections.abc import Callable
from functools import cache
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.floating[Any]]
Picture = NDArray[np.uint8]

SIZE = 64
CELL = SIZE // 8  # one latent cell: textures are aligned to it, so that the latents can hold them

COLOURS = {
    "red": (220, 30, 30),
    "orange": (245, 130, 20),
    "yellow": (240, 215, 40),
    "green": (40, 165, 60),
    "turquoise": (50, 205, 225),
    "blue": (40, 70, 215),
    "purple": (120, 50, 180),
    "pink": (245, 110, 190),
}
SHAPES = ("circle", "square", "triangle", "star", "ring", "cross", "heart", "diamond")
TEXTURES = ("plain", "striped", "dotted")


class Thing(NamedTuple):
    texture: str
    colour: str
    shape: str

    @property
    def phrase(self) -> str:
        return " ".join(self[1:] if self.texture == "plain" else self)


HELD_OUT = (
    Thing("striped", "purple", "star"),
    Thing("dotted", "orange", "ring"),
    Thing("plain", "green", "heart"),
    Thing("dotted", "blue", "triangle"),
    Thing("striped", "red", "cross"),
    Thing("plain", "pink", "diamond"),
)
ALL = tuple(Thing(t, c, s) for t in TEXTURES for c in COLOURS for s in SHAPES)
SEEN = tuple(thing for thing in ALL if thing not in HELD_OUT)


@cache
def grid() -> tuple[Array, Array]:
    y, x = np.mgrid[0:SIZE, 0:SIZE].astype(np.float32) + 0.5
    return x, y


def _star(x: Array, y: Array) -> Array:
    """Distance to the edge between an outer and an inner corner, after folding the plane into one tenth."""
    sector, outer, inner = 2 * np.pi / 5, 1.1, 0.46
    angle = (np.arctan2(x, -y) + sector / 2) % sector - sector / 2
    r = np.hypot(x, y)
    along, across = r * np.cos(angle), r * np.abs(np.sin(angle))
    edge_x, edge_y = inner * np.cos(sector / 2) - outer, inner * np.sin(sector / 2)
    distance: Array = ((along - outer) * edge_y - across * edge_x) / np.hypot(edge_x, edge_y)
    return distance


def _heart(ax: Array, y: Array) -> Array:
    """Two circles, the wedge that touches them, and a box that closes the gap between the three."""
    circle = np.hypot(ax - 0.46, y + 0.35) - 0.54
    wedge = np.maximum(0.72 * ax + 0.69 * y - 0.63, 0.02 - y)
    box = np.maximum(ax - 0.46, np.abs(y + 0.1) - 0.26)
    distance: Array = np.minimum(circle, np.minimum(wedge, box))
    return distance


def signed_distance(shape: str, x: Array, y: Array) -> Array:
    """How far points [H, W] lie outside the shape's outline, in units of its radius; negative inside. y points down."""
    ax, ay, r = np.abs(x), np.abs(y), np.hypot(x, y)
    distances: dict[str, Callable[[], Array]] = {
        "circle": lambda: r - 0.95,
        "square": lambda: np.maximum(ax, ay) - 0.82,
        "triangle": lambda: np.maximum(y - 0.7, 0.866 * ax - 0.5 * y - 0.5),
        "star": lambda: _star(x, y),
        "ring": lambda: np.abs(r - 0.72) - 0.28,
        "cross": lambda: np.minimum(np.maximum(ax - 0.32, ay - 0.95), np.maximum(ax - 0.95, ay - 0.32)),
        "heart": lambda: _heart(ax, y),
        "diamond": lambda: (1.5 * ax + ay - 1.0) * 0.6,
    }
    return distances[shape]()


def texture(name: str) -> Array:
    """[H, W] in 0-1: where the second, dark colour lies. Anchored to the picture, not to the thing."""
    x, y = grid()
    if name == "striped":
        return np.asarray(np.floor(x / CELL) % 2, np.float32)
    if name == "dotted":
        period, centre, radius = 2 * CELL, 1.5 * CELL, 0.6 * CELL
        dots: Array = np.clip(radius + 0.5 - np.hypot(x % period - centre, y % period - centre), 0, 1)
        return dots
    return np.zeros((SIZE, SIZE), np.float32)


def draw(thing: Thing, rng: random.Random) -> Picture:
    """[H, W, 3] of the thing, with the place, size, shade and ground drawn from `rng`."""
    x, y = grid()
    radius = rng.uniform(0.33, 0.41) * SIZE
    jitter = SIZE / 16
    cx, cy = (SIZE / 2 + rng.uniform(-jitter, jitter) for _ in "xy")
    colour = np.clip([c + rng.uniform(-8, 8) for c in COLOURS[thing.colour]], 0, 255).astype(np.float32)
    ground = np.float32(250 + rng.uniform(-5, 5))

    def coverage(dx: float, dy: float, softness: float) -> Array:
        distance = signed_distance(thing.shape, (x - cx - dx) / radius, (y - cy - dy) / radius) * radius
        covered: Array = np.clip(0.5 - distance / softness, 0, 1)[..., None]
        return covered

    light = 1 - 0.12 * ((x - cx) + (y - cy)) / (2 * radius)  # from the upper left
    fill = colour * light[..., None] * (1 - 0.7 * texture(thing.texture)[..., None])
    shaded_ground = ground * (1 - 0.1 * coverage(2, 3, 6))
    body = coverage(0, 0, 1)
    return np.clip(shaded_ground * (1 - body) + fill * body, 0, 255).astype(np.uint8)


def draw_many(things: list[Thing], rng: random.Random) -> Picture:
    """[B, H, W, 3]."""
    return np.stack([draw(thing, rng) for thing in things])
