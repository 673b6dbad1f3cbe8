"""What the training pictures are called: captions in the words of textual-inversion templates, of CLIP's vocabulary, whose
every word is one token."""

import gzip
import importlib.util
import random
import re
from functools import cache
from pathlib import Path
from typing import NamedTuple

from lib_ti.demo.world import COLOURS, SEEN, SHAPES, TEXTURES, Thing

SIZE = 49408
BOS, EOS = 49406, 49407
LENGTH = 77
_MERGES = SIZE - 512 - 2


@cache
def _merges() -> list[str]:
    """The file lies in open_clip's folder; importing that package would ask for torchvision."""
    spec = importlib.util.find_spec("open_clip")
    if spec is None or spec.origin is None:
        raise FileNotFoundError("CLIP's vocabulary comes with the package open_clip_torch, which is not installed")
    text = gzip.decompress((Path(spec.origin).parent / "bpe_simple_vocab_16e6.txt.gz").read_bytes()).decode()
    return text.split("\n")[1 : 1 + _MERGES]


@cache
def _word_ids() -> dict[str, int]:
    """Ids below 512 are single bytes, then single bytes that end a word, printable ASCII first; then one id a merge."""
    ids = {chr(code) + "</w>": 256 + code - ord("!") for code in range(ord("!"), ord("~") + 1)}
    return ids | {"".join(merge.split()): 512 + i for i, merge in enumerate(_merges())}


def word_ids(text: str) -> list[int]:
    """The ids of a text's words and punctuation marks; KeyError for a word that is not one token."""
    return [_word_ids()[part + "</w>"] for part in re.findall(r"[a-z]+|[^\sa-z]", text.lower())]


def prompt_ids(text: str, pad: int = EOS) -> list[int]:
    """[77] ids: start, words, end, padding (SDXL's second encoder pads with 0, all others with the end token)."""
    ids = [BOS, *word_ids(text)[: LENGTH - 2], EOS]
    return ids + [pad] * (LENGTH - len(ids))


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
