"""A user would lose: embeddings and a night's training, to kill -9 or to a power cut in the midst of a write.

As SQLite's tests do it: the process dies at each of the calls that change the disk, and what it leaves must be whole.
"""

import random
import shutil
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from lib_ti.app import App
from lib_ti.embedding.embedding import Embedding
from lib_ti.formats.files import load_embedding
from lib_ti.formats.metadata import write_metadata
from lib_ti.training.log import read_losses
from lib_ti.training.state import load_state
from tests.disk_moments import ENDS
from tests.dying import OPERATIONS, Death, dying
from tests.toy_host import ToyHost

pytestmark = pytest.mark.skipif(
    sys.platform != "linux", reason="forks, and takes Linux's word for what a power cut leaves"
)

KINDS = (".safetensors", ".pt", ".png")


class Killed:
    """One operation: its folder before it, and as it is after it and what may follow where nothing dies."""

    def __init__(self, operation: str, root: Path, die: Any) -> None:
        self.name, self.operation, self.die = operation, OPERATIONS[operation], die
        self.root, self.before, after = root, root / "before", root / "after"
        self.operation.prepare(self.before)
        shutil.copytree(self.before, after)
        told = self.die_at(after, 0, "killed")
        assert told["status"] == 0
        self.moments, self.old, self.new = int(told["moments"]), embeddings(self.before), embeddings(after)
        self.operation.further(after)
        self.further = embeddings(after)

    def die_at(self, folder: Path, at: int, end: Any) -> Any:
        return self.die(Death(self.name, str(folder), at, end))

    def faults(self, at: int, end: Any) -> list[str]:
        """What is not whole after a death at the moment `at`."""
        folder = self.root / "dead"
        shutil.rmtree(folder, ignore_errors=True)
        shutil.copytree(self.before, folder)
        told = self.die_at(folder, at, end)
        if told["status"] != -9:
            return [f"{self.name} {at} {end}: it did not die: {told}"]
        try:
            found = [*self.left(folder, at), *self.followed(folder)]
        except Exception as error:  # noqa: BLE001 - each of the deaths is told
            found = [f"{type(error).__name__}: {error}"]
        return [f"{self.name}, {end} at {at} ({told['what']}): {fault}" for fault in found]

    def left(self, folder: Path, at: int) -> Iterator[str]:
        wanted = [self.new] if at > self.moments else [self.old, self.new]
        for place, made in embeddings(folder).items():
            if not all(one in [known.get(place, [None])[0] for known in wanted] for one in made):
                yield f"{place} is neither the old one nor the new one"
        yield from (f"{place} is gone" for place in wanted[0].keys() - embeddings(folder).keys())
        for path in folder.rglob("*.state"):
            load_state(path)
        for entry in App(ToyHost(folder)).library():
            if entry.header is None or entry.path.suffix not in KINDS:
                yield f"{entry.path.name} is listed, with {entry.fault!r}"

    def followed(self, folder: Path) -> Iterator[str]:
        """The same once more, and what may follow it, end as if nothing had been."""
        for work, wanted in ((self.operation.work, self.new), (self.operation.further, self.further)):
            work(folder)
            made = embeddings(folder)
            yield from (f"{place} is another one at last" for place in made if made[place] != wanted.get(place))
            # The preview of a step is not made up for, where the run goes on after that step.
            yield from (
                f"{place} is lacking" for place in wanted.keys() - made.keys() if "image_embeddings" not in place
            )
        for table in folder.rglob("*.csv"):
            steps = [int(row["step"]) for row in read_losses(table)]
            if steps != list(range(1, len(steps) + 1)):
                yield f"the losses are of the steps {steps}"


def embeddings(folder: Path) -> dict[str, list[Any]]:
    """By their place: all that are unlike each other there. A run that began anew has a folder of its own, which is the same
    place. Every bit of them counts, but for when they were made."""
    found: dict[str, list[Any]] = {}
    for path in sorted(folder.rglob("*")):
        picture = path.parent.name == "images" or path.name.endswith((".preview.png", "loss.png"))
        if path.suffix in KINDS and not picture:
            inside = path.relative_to(folder)
            place = str(Path(*inside.parts[-2:]) if inside.parts[0] == "log" else inside)
            place, one = ("copy " if inside.parts[0] == "log" else "") + place, bits(load_embedding(path))
            if one not in found.setdefault(place, []):
                found[place].append(one)
    return found


def bits(embedding: Embedding) -> Any:
    vectors = {name: value.numpy().tobytes() for name, value in embedding.vectors.items()}
    return write_metadata(replace(embedding, created="once")), vectors


def deaths(operations: list[Killed], every: dict[str, int]) -> Iterator[tuple[Killed, int, str]]:
    """Each `every`-th moment of each, where which end it is is chance, the same in every run; and a power cut after the last."""
    chance = random.Random(6)
    for one in operations:
        for at in range(1, one.moments + 1, every[one.name]):
            yield one, at, chance.choice(ENDS)
        yield one, one.moments + 1, "lost"


@pytest.fixture
def operations(tmp_path: Path) -> Iterator[list[Killed]]:
    with dying() as die:
        yield [Killed(name, tmp_path / name, die) for name in OPERATIONS]


def test_what_dies_in_the_midst_of_a_write_leaves_all_whole(operations: list[Killed]) -> None:
    every = {"training": 70, "saving": 60, "merge": 20, "again": 20, "convert": 20}
    tried = list(deaths(operations, every))
    assert len(tried) >= 8
    assert [fault for one, at, end in tried for fault in one.faults(at, end)] == []


@pytest.mark.slow
def test_of_a_hundred_deaths_a_hundred_leave_all_whole(operations: list[Killed]) -> None:
    every = {"training": 2, "saving": 2, "merge": 1, "again": 1, "convert": 1}
    tried = list(deaths(operations, every))
    assert len(tried) >= 100
    assert [fault for one, at, end in tried for fault in one.faults(at, end)] == []
