"""The curve of a run: bounded, however long the run is, by merging neighbours."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from lib_ti.events import StepDone

MOST_POINTS = 1000


@dataclass(frozen=True)
class Point:
    """`steps` consecutive updates, the last of which is `step`: their mean loss with its least and greatest, and the
    learning rate and norms of the last."""

    step: int
    steps: int
    loss: float
    low: float
    high: float
    rate: float
    norms: dict[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class History:
    """At most `MOST_POINTS` points of `stride` updates each; the last one may still be filling up."""

    points: tuple[Point, ...] = ()
    stride: int = 1

    def add(self, event: StepDone) -> History:
        point = Point(event.step, 1, event.loss, event.loss, event.loss, event.rate, event.norms)
        if self.points and self.points[-1].steps < self.stride:
            return History((*self.points[:-1], _merge(self.points[-1], point)), self.stride)
        if len(self.points) < MOST_POINTS:
            return History((*self.points, point), self.stride)
        halved = tuple(_merge(*pair) for pair in zip(self.points[::2], self.points[1::2], strict=True))
        return History((*halved, point), self.stride * 2)

    def until(self, step: int) -> History:
        """Without what came after `step`."""
        return History(tuple(point for point in self.points if point.step <= step), self.stride)


def _merge(first: Point, second: Point) -> Point:
    steps = first.steps + second.steps
    loss = (first.loss * first.steps + second.loss * second.steps) / steps
    low, high = min(first.low, second.low), max(first.high, second.high)
    return Point(second.step, steps, loss, low, high, second.rate, second.norms)


def smooth(values: Sequence[float], span: float | None = None) -> list[float]:
    """Weighted mean around each value, with weights that fall off exponentially to both sides, so that the curve does not
    lag behind; about `span` values count (a twelfth of them unless told, at least eight)."""
    span = max(8.0, len(values) / 12) if span is None else span
    keep = 1 - 2 / (span + 1)
    before, after = _sums(values, keep), _sums(values[::-1], keep)[::-1]
    return [
        (total + rest - value) / (weight + weights - 1)
        for value, (total, weight), (rest, weights) in zip(values, before, after, strict=True)
    ]


def _sums(values: Sequence[float], keep: float) -> list[tuple[float, float]]:
    """(weighted sum, sum of weights) of the values up to each."""
    total = weight = 0.0
    sums = []
    for value in values:
        total, weight = keep * total + value, keep * weight + 1
        sums.append((total, weight))
    return sums
