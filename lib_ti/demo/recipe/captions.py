"""What the training pictures are called: captions in the words of textual-inversion templates."""

import random
from typing import NamedTuple

from lib_ti.demo.world import COLOURS, SEEN, SHAPES, TEXTURES, Thing

# fmt: off
NOUNS = (
    "apple", "sun", "sky", "rose", "leaf", "coin", "tile", "kite", "moon", "cloud", "candy", "button",
    "flag", "ball", "box", "bell", "lemon", "plum", "badge", "wheel", "gem", "boat", "tree", "bird",
)
# fmt: on
# Each noun stands for one whole combination, so that one vector can carry colour, shape and texture at once.
NAMED = dict(zip(random.Random(7).sample(SEEN, len(NOUNS)), NOUNS, strict=True))
PLACEHOLDER = "*"
NEUTRAL = ("shape", "thing", "object")

PREFIXES = (
    "",
    "",
    "a photo of ",
    "a photo of ",
    "a photo of ",
    "a picture of ",
    "an image of ",
    "a drawing of ",
    "a rendering of ",
    "a rendition of ",
    "a painting of ",
    "a painting, art by ",
    "the photo of ",
    "a cropped photo of ",
    "a close-up photo of ",
    "a good photo of ",
    "a bright photo of ",
    "a dark photo of ",
    "a depiction of ",
)
ADJECTIVES = ("nice", "cool", "clean", "dirty", "weird", "small", "large")


def draw_thing(rng: random.Random) -> Thing:
    """A seen combination; those that have a noun come a little more often."""
    return rng.choice(list(NAMED)) if rng.random() < 0.12 else rng.choice(SEEN)


def _name(thing: Thing, rng: random.Random) -> str:
    if thing in NAMED and rng.random() < 0.5:
        return NAMED[thing]
    if rng.random() < 0.1:  # part of the truth makes "shape", "thing" and "object" say nothing
        words = [rng.choice(NEUTRAL)]
        if rng.random() < 0.4:
            words.insert(0, thing.colour)
        if rng.random() < 0.5 and thing.texture != "plain":
            words.insert(0, thing.texture)
        return " ".join(words)
    if thing.texture == "plain":
        return ("plain " if rng.random() < 0.4 else "") + thing.phrase
    if rng.random() < 0.12:
        return f"{thing.colour} {thing.shape} with " + ("stripes" if thing.texture == "striped" else "dots")
    return thing.phrase


def _with_article(words: str, rng: random.Random) -> str:
    indefinite = "an " if words[0] in "aeiou" else "a "
    return rng.choice([indefinite] * 5 + ["the ", "my ", "one ", ""]) + words


class Caption(NamedTuple):
    """`text` may hold PLACEHOLDER, which then stands for one vector: the weighted sum of the vectors of `summed`."""

    text: str
    summed: tuple[tuple[str, float], ...] = ()


def draw_caption(thing: Thing, rng: random.Random, summed_share: float = 0.0) -> Caption:
    """One of the many captions of a thing; a tenth are empty, for guidance.

    In `summed_share` of them the name shrinks to one vector, the sum of its words'. This teaches the encoder that sums
    mean something, so that one learned vector can reach any combination by small steps.
    """
    if rng.random() < 0.1:
        return Caption("")
    name = _name(thing, rng)
    summed: tuple[tuple[str, float], ...] = ()
    if summed_share and rng.random() < summed_share:
        summed = tuple((word, rng.uniform(0.5, 1.5)) for word in name.split())
        name = PLACEHOLDER
    if rng.random() < 0.1:
        name = f"{rng.choice(ADJECTIVES)} {name}"
    return Caption(rng.choice(PREFIXES) + _with_article(name, rng), summed)


def vocabulary() -> set[str]:
    """Every word that a caption can hold."""
    fixed = ["a", "an", "the", "my", "one", "with", "stripes", "dots"]
    words = {*fixed, *NEUTRAL, *NOUNS, *ADJECTIVES, *COLOURS, *SHAPES, *TEXTURES}
    return words | {word for prefix in PREFIXES for word in prefix.replace(",", " ,").split()}
