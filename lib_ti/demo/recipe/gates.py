"""Is a demo model good enough? Prompts obeyed, held-out combinations drawn, and textual inversion that shows."""

import random
import time
from dataclasses import dataclass

import numpy as np

from lib_ti.demo.concept import CONCEPT
from lib_ti.demo.recipe.conditioning import placeholder
from lib_ti.demo.recipe.diffusion import sample
from lib_ti.demo.recipe.inversion import FixedBatch, invert
from lib_ti.demo.recipe.networks import Networks
from lib_ti.demo.recipe.scorer import count_right
from lib_ti.demo.world import HELD_OUT, SEEN, Thing, draw_many

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
