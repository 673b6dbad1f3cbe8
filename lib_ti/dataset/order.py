"""Which picture and which prompt a sample gets: pure functions of (seed, sample number), so that a run can go on anywhere."""

from collections.abc import Callable, Sequence
from functools import lru_cache

from lib_ti.chance import chance, shuffled
from lib_ti.config.train import DataPart
from lib_ti.dataset.caption import vary_tags
from lib_ti.dataset.dataset import Dataset
from lib_ti.dataset.template import compose_prompt


def sample_order(repeats: Sequence[int], seed: int) -> Callable[[int], int]:
    """A function from the number of a sample, counted from 0 over the whole training, to the index of its picture.

    Every epoch of sum(repeats) samples holds each picture exactly as often as its repeats say, in an order of its own.
    """
    counts = tuple(repeats)
    total = sum(counts)

    def picture_of(n: int) -> int:
        epoch, place = divmod(n, total)
        return _epoch_order(counts, seed, epoch)[place]

    return picture_of


def sample_prompt(dataset: Dataset, name: str, data: DataPart, seed: int, n: int) -> str:
    """The prompt of sample `n`: its picture's caption with the tags varied, in a template line drawn for this sample alone."""
    picture = dataset.pictures[sample_order(dataset.repeats, seed)(n)]
    rng = chance(seed, "prompt", n)
    line = dataset.template.lines[rng.randrange(len(dataset.template.lines))]
    words = vary_tags(picture.caption, rng, data.shuffle_tags, data.tag_dropout, data.keep_tags)
    return compose_prompt(line, name, words)


# Two epochs, because the last update of one may hold samples of the next.
@lru_cache(maxsize=2)
def _epoch_order(counts: tuple[int, ...], seed: int, epoch: int) -> tuple[int, ...]:
    indices = [index for index, count in enumerate(counts) for _ in range(count)]
    return tuple(shuffled(indices, chance(seed, "order", epoch)))
