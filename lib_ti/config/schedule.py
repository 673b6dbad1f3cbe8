"""Learning-rate text: A1111's syntax and three words beside it. Also used for the gradient-clipping threshold.

    schedule = item { "," item }
    item     = RATE [ "cosine" | "linear" ] [ ":" STEP ]  |  "warmup" ":" STEP

`RATE:STEP` holds while fewer than STEP updates are complete, counted over all runs of the embedding; a bare RATE, or
`RATE:-1`, holds to the end. `0.005:100, 1e-3:1000, 1e-5` is 0.005 for 100 updates, 1e-3 until 1000, then 1e-5.

`RATE cosine:STEP` and `RATE linear:STEP` fall from RATE, at the first update of the stage, towards a fiftieth of it at its end;
`warmup:STEP` rises to the rate of the item after it. A stage without STEP ends with the run.

A rate may be relative to a row: `0.6r` moves a row, by its first update, by 0.6 of the length that words have in the encoder
that learns. All rates of a text are so, or none. At most 10,000 characters.
"""

import re
from dataclasses import dataclass, replace
from itertools import pairwise
from math import cos, pi
from typing import NamedTuple

from lib_ti.errors import Fault, InvalidText

CHARACTERS = 10_000
"""How long a schedule may be."""
FALLS = ("cosine", "linear")
FLOOR = 0.02
"""The share of its rate that a falling stage would come to at its end."""


@dataclass(frozen=True)
class Stage:
    """`rate` while fewer than `until` updates are complete; `until` is None in a last stage that ends with the run.

    `shape` is "constant"; "cosine" or "linear", which fall from `rate`; or "warmup", which rises to it.
    """

    rate: float
    until: int | None
    shape: str = "constant"

    def at(self, share: float) -> float:
        """The rate when `share` of the stage, 0 to 1, is done."""
        if self.shape == "cosine":
            return self.rate * (FLOOR + (1 - FLOOR) * (1 + cos(pi * share)) / 2)
        if self.shape == "linear":
            return self.rate * (1 - (1 - FLOOR) * share)
        return self.rate * share if self.shape == "warmup" else self.rate


class Row(NamedTuple):
    """Updates `first` to `last`, numbered from 1: the rate of the first, and of the last where that is another."""

    first: int
    last: int
    rate: float
    last_rate: float


@dataclass(frozen=True)
class Schedule:
    """`relative` tells that the rates are shares of a row's length."""

    stages: tuple[Stage, ...]
    relative: bool = False

    def ending(self, steps: int) -> "Schedule":
        """With a falling stage that ends with the run ending at `steps`."""
        last, before = self.stages[-1], self.stages[-2].until if len(self.stages) > 1 else 0
        if last.shape == "constant" or last.until is not None:
            return self
        end = max(steps, (before or 0) + 1)
        return replace(self, stages=(*self.stages[:-1], replace(last, until=end)))

    def rate_at(self, completed: int) -> float | None:
        """The rate of the update that follows `completed` updates; None when the schedule is over."""
        begin = 0
        for stage in self.stages:
            if stage.until is None:
                return stage.rate
            if completed < stage.until:
                done = completed - begin + (stage.shape == "warmup")  # else its first update would be one at no rate
                return stage.at(done / (stage.until - begin))
            begin = stage.until
        return None

    @property
    def last_step(self) -> int | None:
        """The update after which the schedule is over; None when it has no end."""
        return self.stages[-1].until

    def ends(self, first: int, last: int) -> list[int]:
        """Where stages end, among updates first + 1 .. last; the last of them ends one in any case."""
        return [*(s.until for s in self.stages if s.until is not None and first < s.until < last), last]

    def table(self, first: int, last: int) -> list[Row]:
        """What updates first + 1 .. last are done at, stage by stage; stages in the past are dropped."""
        rows, begin = [], first
        for stage in self.stages:
            end = last if stage.until is None else min(stage.until, last)
            if end > begin:
                rows.append(Row(begin + 1, end, self.rate_at(begin) or 0.0, self.rate_at(end - 1) or 0.0))
                begin = end
        return rows

    def curve(self, first: int, last: int, points: int = 40) -> list[tuple[int, int, float]]:
        """(from update, to update, rate) for a plot: a level stage is one, one that falls or rises is cut into `points`."""
        pieces = []
        for row in self.table(first, last):
            level, length = row.rate == row.last_rate, row.last - row.first + 1
            count = 1 if level else min(points, length)
            marks = [row.first - 1 + length * n // count for n in range(count + 1)]
            pieces += [(a + 1, b, self.rate_at((a + b) // 2) or 0.0) for a, b in pairwise(marks)]
        return pieces

    def stretched(self, factor: float) -> "Schedule":
        """Every stage `factor` times as long."""
        ends = [stage.until if stage.until is None else round(stage.until * factor) for stage in self.stages]
        return replace(self, stages=tuple(replace(s, until=end) for s, end in zip(self.stages, ends, strict=True)))

    @property
    def text(self) -> str:
        """What reads back as this schedule."""
        items = []
        for stage in self.stages:
            rate = "warmup" if stage.shape == "warmup" else f"{stage.rate!r}{'r' * self.relative}"
            fall = f" {stage.shape}" if stage.shape in FALLS else ""
            items.append(rate + fall + ("" if stage.until is None else f":{stage.until}"))
        return ", ".join(items)

    def written(self, rate: float) -> str:
        """A rate of this schedule as its text would have it."""
        return f"{rate:.3g}r" if self.relative else f"{rate:g}"


def parse_schedule(text: str) -> Schedule:
    """Raises InvalidText with the item under a caret."""
    if len(text) > CHARACTERS:
        raise InvalidText(
            f"This schedule has {len(text):,} characters; at most {CHARACTERS:,} can be read.", text[:80], 0, 80
        )
    stages: list[Stage] = []
    relative: bool | None = None
    start, warmup = 0, None
    for item in text.split(","):
        if item.strip():
            stage, kind, span = _parse_item(text, item, start, stages)
            if relative is not None and kind is not None and kind != relative:
                message = "Rates relative to a row, such as 0.6r, and plain ones cannot stand in one schedule."
                raise InvalidText(message, text, *span, "Write all of them with an r, or none.")
            relative = kind if relative is None else relative
            warmup = span if stage.shape == "warmup" else None
            stages.append(stage)
        start += len(item) + 1
    if not stages:
        raise InvalidText(
            "A rate is missing.", text, 0, len(text), "Write one, such as 0.005, or stages, such as 0.005:100, 1e-3."
        )
    if warmup:
        raise InvalidText("There is no rate to warm up to.", text, *warmup, "Write one after it: warmup:20, 0.005.")
    for n in reversed(range(len(stages) - 1)):
        if stages[n].shape == "warmup":
            stages[n] = replace(stages[n], rate=stages[n + 1].rate)
    return Schedule(tuple(stages), bool(relative))


def _parse_item(text: str, item: str, start: int, before: list[Stage]) -> tuple[Stage, bool | None, tuple[int, int]]:
    """(stage, whether its rate is relative or None without one, where its head stands)."""
    head, colon, tail = item.partition(":")
    begin = start + len(head) - len(head.lstrip())
    span = begin, begin + len(head.strip())
    if before and before[-1].until is None:
        raise InvalidText(
            "This item would never be reached: the rate before it has no end.",
            text,
            begin,
            start + len(item.rstrip()),
            "Give the item before it an end, as in RATE:STEP.",
        )
    words = [(word[0], (start + word.start(), start + word.end())) for word in re.finditer(r"\S+", head)]
    shape, relative, rate = "constant", None, 0.0
    if [word for word, _ in words] == ["warmup"]:
        shape = "warmup"
        if not colon:
            raise InvalidText("A warm-up needs an end.", text, *span, "Write it as warmup:STEP.")
    else:
        rate, relative = _parse_rate(text, *(words[0] if words else ("", span)))
        if len(words) > 1:
            shape = _parse_shape(text, words)
    if not colon:
        return Stage(rate, None, shape), relative, span
    step, first = tail.strip(), start + len(item) - len(tail.lstrip())
    until = _parse_step(text, step, (first, first + len(step)), before)
    if until is None and shape == "warmup":
        raise InvalidText("A warm-up needs an end.", text, first, first + len(step), "Write it as warmup:STEP.")
    return Stage(rate, until, shape), relative, span


def _parse_rate(text: str, word: str, span: tuple[int, int]) -> tuple[float, bool]:
    if word in (*FALLS, "warmup"):
        hint = (
            f"Write one before it, as in 0.005 {word}:100." if word in FALLS else "It stands alone: warmup:20, 0.005."
        )
        raise InvalidText(f"{word!r} is not a rate.", text, *span, hint)
    relative = word.endswith("r")
    rate = _number(word.removesuffix("r"))
    if rate is None:
        raise InvalidText(f"{word!r} is not a rate.", text, *span, "Write a number such as 0.005, 5e-3 or 0.6r.")
    if rate <= 0:
        raise InvalidText(f"A rate of {word} does not learn: it must be above 0.", text, *span)
    return rate, relative


def _parse_shape(text: str, words: list[tuple[str, tuple[int, int]]]) -> str:
    word, span = words[1]
    if word not in FALLS:
        hint = "It stands alone, before the rate: warmup:20, 0.005." if word == "warmup" else "Write cosine or linear."
        raise InvalidText(f"{word!r} is no way for a rate to fall.", text, *span, hint)
    if len(words) > 2:
        raise InvalidText("A comma is missing.", text, words[2][1][0], words[-1][1][1])
    return word


def _parse_step(text: str, word: str, span: tuple[int, int], before: list[Stage]) -> int | None:
    if not re.fullmatch(r"[+-]?[0-9]{1,12}", word):
        raise InvalidText(f"{word!r} is not a step.", text, *span, "Write a whole number, or -1 for the end.")
    step = int(word)
    if step == -1:
        return None
    least = before[-1].until if before else 0
    if least is not None and step <= least:
        what = f"after the {least} of the item before it" if before else "1 or more (or -1 for the end)"
        raise InvalidText(f"Steps must rise: {step} must be {what}.", text, *span)
    return step


def _number(text: str) -> float | None:
    if not re.fullmatch(r"[+-]?([0-9]+(\.[0-9]*)?|\.[0-9]+)([eE][+-]?[0-9]+)?", text):
        return None
    value = float(text)
    return value if value < float("inf") else None


def rate_faults(path: str, text: str, relative: bool) -> list[Fault]:
    """Of a setting at `path`; `relative` tells that rates relative to a row mean something there."""
    try:
        if parse_schedule(text).relative and not relative:
            return [Fault(path, "a rate relative to a row, such as 0.6r, means nothing here", "write a plain number")]
    except InvalidText as error:
        return [Fault(path, str(error))]
    return []
