"""What a scanned folder of training pictures comes to, and which picture and prompt each sample gets of it.

The latter are pure functions of (seed, sample number), so that a run can go on anywhere.
"""

import json
from collections import Counter
from collections.abc import Callable, Sequence, Set
from dataclasses import dataclass, replace
from functools import lru_cache
from hashlib import blake2b
from pathlib import Path

from lib_ti.chance import chance, shuffled
from lib_ti.config.train import DataPart
from lib_ti.dataset.bucket import Fit, Size
from lib_ti.dataset.caption import vary_tags
from lib_ti.dataset.template import Template, compose_prompt, plain_marks
from lib_ti.dataset.wildcards import Choose, expand


@dataclass(frozen=True)
class Picture:
    """One training picture. `name` is its path inside the folder; `has_alpha` tells that a pixel of it is not opaque; `mask` is
    the file that says which parts of it count; `crops` are those of it to be trained on, most often `fit` alone;
    `source` is the number of its folder in the data set."""

    path: Path
    name: str
    caption: str
    repeats: int
    fit: Fit
    has_alpha: bool
    mask: Path | None = None
    crops: tuple[Fit, ...] = ()
    source: int = 0


@dataclass(frozen=True)
class Source:
    """A folder of pictures: its prompts, and the settings by which it is read and its captions become prompts. `names` are those
    of several embeddings, which prompts may call in brackets; none where there is one."""

    template: Template
    data: DataPart
    names: tuple[str, ...] = ()

    def prompt(
        self, line: str, name: str, caption: str, choose: Choose, vary: Callable[[str], str] = lambda words: words
    ) -> str:
        """What a line of the template and a caption come to: [name] is `name`, unless the folder says another; `choose` takes
        one of the options of each wildcard, and `vary` changes the caption's tags."""
        data = self.data

        def drawn(text: str) -> str:
            return expand(text, choose) if data.wildcards else text

        prefix, suffix = (drawn(plain_marks(text)).strip() for text in (data.caption_prefix, data.caption_suffix))
        words = " ".join(filter(None, (prefix, vary(drawn(caption)), suffix)))
        return compose_prompt(drawn(line), data.name or name, words, self.names)


@dataclass(frozen=True)
class Dataset:
    """Pictures folder by folder, in the order of their names. `fingerprint` changes with anything that would change the training."""

    pictures: tuple[Picture, ...]
    sources: tuple[Source, ...]
    warnings: tuple[str, ...]
    fingerprint: str

    def source_of(self, picture: Picture) -> Source:
        return self.sources[picture.source]

    @property
    def repeats(self) -> tuple[int, ...]:
        return tuple(picture.repeats for picture in self.pictures)

    @property
    def views(self) -> int:
        """How many pictures are encoded: crops, and mirrored ones where any sample is."""
        return sum(len(one.crops) * (2 if self.source_of(one).data.flip else 1) for one in self.pictures)

    @property
    def samples_per_epoch(self) -> int:
        return sum(self.repeats)

    @property
    def held_out(self) -> tuple[Picture, ...]:
        """Those that no sample has."""
        return tuple(picture for picture in self.pictures if not picture.repeats)

    def without(self, indices: Set[int]) -> "Dataset":
        """With no sample of the pictures at `indices`."""
        pictures = tuple(
            replace(picture, repeats=0) if index in indices else picture for index, picture in enumerate(self.pictures)
        )
        return replace(self, pictures=pictures)


def buckets(dataset: Dataset) -> dict[Size, int]:
    """How many pictures are trained at each (width, height), most first."""
    return dict(Counter(picture.fit.target for picture in dataset.pictures).most_common())


def fingerprint(templates: Sequence[Template], pictures: Sequence[Picture]) -> str:
    """A hash of names, file sizes, captions, repeats, fits, masks and the templates' prompts; not of where the folders lie."""
    rows = [
        (
            *(picture.name, picture.path.stat().st_size, picture.caption, picture.repeats, picture.has_alpha),
            *(picture.fit.original, picture.fit.resize_to, picture.fit.crop_box),
            *((picture.mask.name, picture.mask.stat().st_size) if picture.mask else ()),
            *([picture.source] if picture.source else []),
        )
        for picture in pictures
    ]
    lines = [template.lines for template in templates]
    # Of one folder, as it was before there could be more: runs go on by it.
    return blake2b(
        json.dumps([lines[0] if len(lines) == 1 else lines, rows]).encode("ascii"), digest_size=16
    ).hexdigest()


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


def sample_prompt(dataset: Dataset, name: str, seed: int, n: int) -> str:
    """The prompt of sample `n`: its picture's caption with the tags varied, in a template line drawn for this sample alone."""
    picture = dataset.pictures[sample_order(dataset.repeats, seed)(n)]
    source = dataset.source_of(picture)
    data = source.data
    rng, wild = chance(seed, "prompt", n), chance(seed, "wildcards", n)
    line = source.template.lines[rng.randrange(len(source.template.lines))]
    return source.prompt(
        line,
        name,
        picture.caption,
        choose=lambda options: options[wild.randrange(len(options))],
        vary=lambda caption: vary_tags(caption, rng, data.shuffle_tags, data.tag_dropout, data.keep_tags),
    )


# Two epochs, because the last update of one may hold samples of the next; of class pictures too.
@lru_cache(maxsize=4)
def _epoch_order(counts: tuple[int, ...], seed: int, epoch: int) -> tuple[int, ...]:
    indices = [index for index, count in enumerate(counts) for _ in range(count)]
    return tuple(shuffled(indices, chance(seed, "order", epoch)))
