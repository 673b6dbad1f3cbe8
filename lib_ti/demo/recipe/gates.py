"""Is a demo model good enough? Prompts obeyed, held-out combinations drawn, and textual inversion that shows.

What is in a picture (colour, shape and texture) is read by formula: no network to trust. The inversion is the plainest one, to
measure the models by; the product's own training lives in lib_ti.training.
"""

import random
import time
from dataclasses import dataclass
from functools import cache
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from lib_ti.demo.concept import CONCEPT
from lib_ti.demo.recipe.captions import word_ids
from lib_ti.demo.recipe.diffusion import TIMESTEPS, build_scheduler, condition, placeholder, sample
from lib_ti.demo.recipe.networks import Networks
from lib_ti.demo.recipe.vae import encode, pictures_to_pixels
from lib_ti.demo.world import (
    COLOURS,
    HELD_OUT,
    SEEN,
    SHAPES,
    SIZE,
    TEXTURES,
    Array,
    Picture,
    Thing,
    draw_many,
    grid,
    signed_distance,
    texture,
)

LEAST_OVERLAP = 0.75  # under this, intersection over union, it is no shape of this world
LEAST_FOREGROUND = 0.02
UNCLEAR = "unclear"
Box = tuple[float, float, float, float]


class Reading(NamedTuple):
    texture: str
    colour: str
    shape: str
    overlap: float

    def shows(self, thing: Thing) -> bool:
        return (self.texture, self.colour, self.shape) == tuple(thing)


def _box(mask: NDArray[np.bool_], x: Array, y: Array) -> Box:
    """Left, top, right, bottom."""
    return float(x[mask].min()), float(y[mask].min()), float(x[mask].max()), float(y[mask].max())


@cache
def _outline_box(shape: str) -> Box:
    y, x = np.mgrid[-1.4:1.4:281j, -1.4:1.4:281j].astype(np.float32)
    return _box(signed_distance(shape, x, y) < 0, x, y)


def _fitted(shape: str, box: Box) -> NDArray[np.bool_]:
    """[H, W]: the shape, placed and sized so that its bounding box is `box` as nearly as its proportions allow."""
    left, top, right, bottom = _outline_box(shape)
    radius = ((box[2] - box[0]) / (right - left) + (box[3] - box[1]) / (bottom - top)) / 2
    cx = (box[0] + box[2]) / 2 - radius * (left + right) / 2
    cy = (box[1] + box[3]) / 2 - radius * (top + bottom) / 2
    x, y = grid()
    return signed_distance(shape, (x - cx) / radius, (y - cy) / radius) < 0


def _overlap(a: NDArray[np.bool_], b: NDArray[np.bool_]) -> float:
    return float((a & b).sum() / max(1, (a | b).sum()))


def _hue(colour: Array) -> float:
    """Angle of chroma, radians, of RGB [3]."""
    r, g, b = (float(c) for c in colour)
    return float(np.arctan2(np.sqrt(3) * (g - b), 2 * r - g - b))


def _read_colour(pixels: Array) -> str:
    """Of foreground pixels [N, 3]: dark and light ones share a hue, and the sum weighs the colourful ones most."""
    hue = _hue(pixels.sum(0))

    def distance(name: str) -> float:
        return abs(float(np.angle(np.exp(1j * (hue - _hue(np.array(COLOURS[name], np.float32)))))))

    return min(COLOURS, key=distance)


def _read_texture(brightness: Array, mask: NDArray[np.bool_]) -> str:
    """By least squares: brightness = c * (1 - 0.7 * texture) inside the mask."""

    def error(name: str) -> float:
        model = (1 - 0.7 * texture(name))[mask]
        seen = brightness[mask]
        return float(((seen - model * (model @ seen) / (model @ model)) ** 2).sum())

    return min(TEXTURES, key=error)


def read_picture(picture: Picture) -> Reading:
    """[H, W, 3] uint8 -> what it shows."""
    pixels = picture.astype(np.float32)
    foreground = pixels.min(-1) < 190  # the ground is near white, its shadow above 215
    if foreground.sum() < LEAST_FOREGROUND * SIZE * SIZE:
        return Reading(UNCLEAR, UNCLEAR, UNCLEAR, 0.0)
    box = _box(foreground, *grid())
    overlaps = {shape: _overlap(foreground, _fitted(shape, box)) for shape in SHAPES}
    shape = max(overlaps, key=lambda s: overlaps[s])
    return Reading(
        texture=_read_texture(pixels.mean(-1), foreground),
        colour=_read_colour(pixels[foreground]),
        shape=shape if overlaps[shape] >= LEAST_OVERLAP else UNCLEAR,
        overlap=overlaps[shape],
    )


def count_right(pictures: Picture, things: list[Thing]) -> int:
    """How many of [B, H, W, 3] show their thing in colour, shape and texture at once."""
    return sum(read_picture(picture).shows(thing) for picture, thing in zip(pictures, things, strict=True))


TEMPLATES = (
    "a photo of a *",
    "a rendering of a *",
    "a cropped photo of the *",
    "the photo of a *",
    "a photo of my *",
    "a close-up photo of a *",
    "a good photo of the *",
    "a photo of one *",
)


def word_vectors(networks: Networks, word: str) -> list[Tensor]:
    [token] = word_ids(word)
    return [text.get_input_embeddings().weight[token].detach().clone() for text in networks.texts()]


class FixedBatch:
    """The mean error on the same pictures, noises and timesteps every time: 8 strata of t for each picture."""

    def __init__(self, networks: Networks, pictures: Picture, seed: int = 1234, strata: int = 8) -> None:
        self.networks = networks
        latents = encode(networks.vae, pictures_to_pixels(pictures)).repeat_interleave(strata, 0)
        generator = torch.Generator().manual_seed(seed)
        spread = torch.arange(len(latents)) % strata + torch.rand(len(latents), generator=generator)
        self.timesteps = (spread / strata * TIMESTEPS).long()
        self.noise = torch.randn(latents.shape, generator=generator)
        self.noisy = build_scheduler().add_noise(latents, self.noise, self.timesteps)

    @torch.no_grad()
    def error(self, prompt: str) -> float:
        told = condition(self.networks, [prompt]).expand(len(self.noisy))
        return float((told.predict(self.networks.unet, self.noisy, self.timesteps) - self.noise).pow(2).mean())


def invert(
    networks: Networks, pictures: Picture, init: str, steps: int, seed: int, rate: float = 1e-2, batch: int = 8
) -> list[Tensor]:
    """One vector an encoder, learned by AdamW from pictures [B, H, W, 3]."""
    rng = random.Random(seed)
    torch.manual_seed(seed)
    latents = encode(networks.vae, pictures_to_pixels(pictures))
    vectors = [vector.requires_grad_(True) for vector in word_vectors(networks, init)]
    optimizer = torch.optim.AdamW(vectors, rate, weight_decay=0)
    scheduler = build_scheduler()
    for _ in range(steps):
        clean = latents[torch.randint(0, len(latents), (batch,))]
        timesteps = torch.randint(0, TIMESTEPS, (batch,))
        noise = torch.randn(clean.shape)
        with placeholder(networks, vectors):
            told = condition(networks, [rng.choice(TEMPLATES) for _ in range(batch)])
        prediction = told.predict(networks.unet, scheduler.add_noise(clean, noise, timesteps), timesteps)
        loss = (prediction - noise).pow(2).mean()
        optimizer.zero_grad()
        torch.autograd.backward(loss)
        optimizer.step()
    return [vector.detach() for vector in vectors]


JUDGED = tuple(
    t for t in HELD_OUT if t.phrase in ("striped purple star", "green heart", "striped red cross", "pink diamond")
)
PREVIEWS = 16
BATCH = 32


def _right(networks: Networks, prompts: list[str], things: list[Thing], seed: int) -> int:
    """How many of the prompts' pictures show their things."""
    starts = range(0, len(prompts), BATCH)
    pictures = [sample(networks, prompts[i : i + BATCH], seed + i) for i in starts]
    return count_right(np.concatenate(pictures), things)


def prompts_obeyed(networks: Networks, count: int = 160, seed: int = 31) -> int:
    """Of `count` prompts of seen combinations, those right in colour, shape and texture at once."""
    rng = random.Random(seed)
    things = [rng.choice(SEEN) for _ in range(count)]
    templates = ("a photo of a {}", "a {}", "a picture of a {}", "a rendering of a {}")
    return _right(networks, [rng.choice(templates).format(thing.phrase) for thing in things], things, seed)


def held_out_obeyed(networks: Networks, each: int = 16, seed: int = 1000) -> int:
    """Of 6 x `each` prompts that name combinations never seen."""
    things = [thing for thing in HELD_OUT for _ in range(each)]
    return _right(networks, [f"a photo of a {thing.phrase}" for thing in things], things, seed)


@dataclass(frozen=True)
class Inversion:
    """How far textual inversion got from the init word to the true phrase."""

    thing: Thing
    seed: int
    error_init: float
    error_true: float
    error: float
    right_init: int
    right: int
    seconds: float

    @property
    def gap_closed(self) -> float:
        return (self.error_init - self.error) / (self.error_init - self.error_true)

    def __str__(self) -> str:
        return (
            f"{self.thing.phrase}, seed {self.seed}: error init {self.error_init:.4f}, true {self.error_true:.4f}, "
            f"learned {self.error:.4f}, gap closed {self.gap_closed:.2f}; previews right {self.right_init} -> "
            f"{self.right} of {PREVIEWS}; {self.seconds:.0f} s"
        )


def judge_inversion(networks: Networks, thing: Thing, seed: int, steps: int = 200) -> Inversion:
    batch = FixedBatch(networks, draw_many([thing] * 16, random.Random(1234)))
    pictures = draw_many([thing] * 8, random.Random(77))
    started = time.perf_counter()
    vectors = invert(networks, pictures, CONCEPT.init_text, steps, seed)
    seconds = time.perf_counter() - started
    wanted = [thing] * PREVIEWS
    before = count_right(sample(networks, [f"a photo of a {CONCEPT.init_text}"] * PREVIEWS, seed=500), wanted)
    with placeholder(networks, vectors):
        error = batch.error("a photo of a *")
        after = count_right(sample(networks, ["a photo of a *"] * PREVIEWS, seed=500), wanted)
    return Inversion(
        thing=thing,
        seed=seed,
        error_init=batch.error(f"a photo of a {CONCEPT.init_text}"),
        error_true=batch.error(f"a photo of a {thing.phrase}"),
        error=error,
        right_init=before,
        right=after,
        seconds=seconds,
    )
