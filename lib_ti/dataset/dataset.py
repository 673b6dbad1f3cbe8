"""What a scanned folder of training pictures comes to."""

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path

from lib_ti.dataset.bucket import Fit, Size
from lib_ti.dataset.template import Template


@dataclass(frozen=True)
class Picture:
    """One training picture. `name` is its path inside the folder; `has_alpha` tells that a pixel of it is not opaque."""

    path: Path
    name: str
    caption: str
    repeats: int
    fit: Fit
    has_alpha: bool


@dataclass(frozen=True)
class Dataset:
    """Pictures in the order of their names. `fingerprint` changes with anything that would change the training."""

    pictures: tuple[Picture, ...]
    template: Template
    warnings: tuple[str, ...]
    fingerprint: str

    @property
    def repeats(self) -> tuple[int, ...]:
        return tuple(picture.repeats for picture in self.pictures)

    @property
    def samples_per_epoch(self) -> int:
        return sum(self.repeats)


def buckets(dataset: Dataset) -> dict[Size, int]:
    """How many pictures are trained at each (width, height), most first."""
    return dict(Counter(picture.fit.target for picture in dataset.pictures).most_common())


def fingerprint(template: Template, pictures: Sequence[Picture]) -> str:
    """A hash of names, file sizes, captions, repeats, fits and the template's prompts; not of where the folder lies."""
    rows = [
        (
            *(picture.name, picture.path.stat().st_size, picture.caption, picture.repeats, picture.has_alpha),
            *(picture.fit.original, picture.fit.resize_to, picture.fit.crop_box),
        )
        for picture in pictures
    ]
    return blake2b(json.dumps([template.lines, rows]).encode("ascii"), digest_size=16).hexdigest()
