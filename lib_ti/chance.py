"""Random numbers that are pure functions of counters, so that a resumed run draws what the uninterrupted one would have."""

import json
import random
from collections.abc import Sequence
from hashlib import blake2b
from typing import TypeVar

T = TypeVar("T")


def chance(*counters: int | str) -> random.Random:
    """A generator seeded by `counters`, such as (seed, "prompt", sample); the same on every machine and Python.

    JSON keeps 1 and "1", and ("a", "b") and ("ab",), apart.
    """
    digest = blake2b(json.dumps(counters).encode("ascii"), digest_size=16).digest()
    return random.Random(int.from_bytes(digest, "big"))


def shuffled(items: Sequence[T], rng: random.Random) -> list[T]:
    """A new list in random order. Fisher-Yates by `randrange`, because `Random.shuffle` is not promised to stay as it is."""
    result = list(items)
    for last in range(len(result) - 1, 0, -1):
        other = rng.randrange(last + 1)
        result[last], result[other] = result[other], result[last]
    return result
