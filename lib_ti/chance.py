"""Random numbers that are pure functions of counters, and of nothing else.

So a resumed run draws what the uninterrupted one would have drawn, and a preview in between cannot disturb it. What is drawn
for which counters stays as it is for ever: runs that were stopped go on by it.
"""

from __future__ import annotations

import json
import random
from collections.abc import Sequence
from hashlib import blake2b
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    import torch

T = TypeVar("T")


def chance(*counters: int | str) -> random.Random:
    """A generator seeded by `counters`, such as (seed, "prompt", sample); the same on every machine and Python.

    JSON keeps 1 and "1", and ("a", "b") and ("ab",), apart.
    """
    return random.Random(int.from_bytes(_digest(json.dumps(counters), 16), "big"))


def generator(*counters: int | str) -> torch.Generator:
    """The same for tensors; torch takes 63 bits of seed.

    They are drawn on the CPU, wherever they are used: each device has a generator of its own, and a seed is to be the same
    run on all of them.
    """
    import torch  # here, for the data set draws by `chance` without it

    return torch.Generator().manual_seed(int.from_bytes(_digest(repr(counters), 8), "little") >> 1)


def shuffled(items: Sequence[T], rng: random.Random) -> list[T]:
    """A new list in random order. Fisher-Yates by `randrange`, because `Random.shuffle` is not promised to stay as it is."""
    result = list(items)
    for last in range(len(result) - 1, 0, -1):
        other = rng.randrange(last + 1)
        result[last], result[other] = result[other], result[last]
    return result


def _digest(counters: str, size: int) -> bytes:
    return blake2b(counters.encode(), digest_size=size).digest()
