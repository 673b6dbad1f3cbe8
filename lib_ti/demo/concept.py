"""The facts of the demo concept: a thing that the demo models never saw, made of parts that they know.

Nothing here needs torch; drawing needs numpy, and asks for it when called.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from lib_ti.demo.world import Picture

PICTURES = Path(__file__).parent / "pictures"
PICTURE_COUNT = 8
_TRAINING_SEED, _EVALUATION_SEED = 77, 1234


@dataclass(frozen=True)
class Concept:
    """`[name]` in a prompt stands for the embedding's name, as in the template files of the WebUI."""

    phrase: str
    init_text: str
    caption: str
    preview_prompts: tuple[str, ...]


CONCEPT = Concept(
    phrase="striped purple star",
    init_text="shape",
    caption="a photo of a [name]",
    preview_prompts=("a photo of a [name]", "a drawing of a [name]", "a close-up photo of my [name]", "a nice [name]"),
)


def draw_pictures() -> list[Picture]:
    """The training pictures in `pictures/`, [H, W, 3] each."""
    return _draw(PICTURE_COUNT, _TRAINING_SEED)


def draw_other_pictures(count: int = 16) -> list[Picture]:
    """Other renderings of the concept, for measuring: what was learned must hold for pictures not trained on."""
    return _draw(count, _EVALUATION_SEED)


def _draw(count: int, seed: int) -> list[Picture]:
    import random

    from lib_ti.demo.world import HELD_OUT, draw

    thing = next(thing for thing in HELD_OUT if thing.phrase == CONCEPT.phrase)
    rng = random.Random(seed)
    return [draw(thing, rng) for _ in range(count)]
