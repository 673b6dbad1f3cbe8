"""Learning-rate text in A1111's syntax, also used for the gradient-clipping threshold.

    schedule = item { "," item }        item = RATE | RATE ":" STEP

`RATE:STEP` holds while fewer than STEP updates are complete, counted over all runs of the embedding; a bare RATE, or
`RATE:-1`, holds to the end. At most 10,000 characters. `0.005:100, 1e-3:1000, 1e-5` is 0.005 for 100 updates, 1e-3 until 1000, then 1e-5.
"""

import re
from dataclasses import dataclass

from lib_ti.errors import InvalidText

CHARACTERS = 10_000
"""How long a schedule may be."""


@dataclass(frozen=True)
class Stage:
    """`rate` while fewer than `until` updates are complete; `until` is None in a last stage without end."""

    rate: float
    until: int | None


@dataclass(frozen=True)
class Schedule:
    stages: tuple[Stage, ...]

    def rate_at(self, completed: int) -> float | None:
        """The rate of the update that follows `completed` updates; None when the schedule is over."""
        for stage in self.stages:
            if stage.until is None or completed < stage.until:
                return stage.rate
        return None

    @property
    def last_step(self) -> int | None:
        """The update after which the schedule is over; None when it has no end."""
        return self.stages[-1].until

    def table(self, first: int, last: int) -> list[tuple[int, int, float]]:
        """(from update, to update, rate) for updates first + 1 .. last, numbered from 1; stages in the past are dropped."""
        rows, begin = [], first
        for stage in self.stages:
            end = last if stage.until is None else min(stage.until, last)
            if end > begin:
                rows.append((begin + 1, end, stage.rate))
                begin = end
        return rows


def parse_schedule(text: str) -> Schedule:
    """Raises InvalidText with the item under a caret."""
    if len(text) > CHARACTERS:
        raise InvalidText(
            f"This schedule has {len(text):,} characters; at most {CHARACTERS:,} can be read.", text[:80], 0, 80
        )
    stages: list[Stage] = []
    start = 0
    for item in text.split(","):
        if item.strip():
            stages.append(_parse_item(text, item, start, stages))
        start += len(item) + 1
    if not stages:
        raise InvalidText(
            "A rate is missing.", text, 0, len(text), "Write one, such as 0.005, or stages, such as 0.005:100, 1e-3."
        )
    return Schedule(tuple(stages))


def _parse_item(text: str, item: str, start: int, before: list[Stage]) -> Stage:
    head, colon, tail = item.partition(":")
    first, step = head.strip(), tail.strip()
    begin = start + len(head) - len(head.lstrip())
    span = begin, begin + len(first)
    if before and before[-1].until is None:
        raise InvalidText(
            "This item would never be reached: the rate before it has no end.",
            text,
            begin,
            start + len(item.rstrip()),
            "Give the item before it an end, as in RATE:STEP.",
        )
    rate = _number(first)
    if rate is None:
        raise InvalidText(f"{first!r} is not a rate.", text, *span, "Write a number such as 0.005 or 5e-3.")
    if rate <= 0:
        raise InvalidText(f"A rate of {first} does not learn: it must be above 0.", text, *span)
    if not colon:
        return Stage(rate, None)
    begin = start + len(item) - len(tail.lstrip())
    return Stage(rate, _parse_step(text, step, (begin, begin + len(step)), before))


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
