"""Line charts as HTML with inline SVG. The SVG stretches with its box while lines keep their width; the words around it are
HTML, so they keep their size. Colours come from classes of `style.css`."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from lib_ti.config.schedule import Schedule
from lib_ti.events import Measured
from lib_ti.jobs.history import History, smooth
from lib_ti.ui.html.markup import NOTHING, Html

XY = tuple[float, float]

MOST_HOVERS = 100
MOST_DOTS = 300


@dataclass(frozen=True)
class Line:
    """`kind` is the class suffix that gives colour and width; `dots` draws the points only."""

    points: Sequence[XY]
    kind: str
    dots: bool = False


@dataclass(frozen=True)
class Frame:
    """The axes: data at (left, bottom) .. (right, top) covers the drawing, which is 1000 x 1000 units."""

    left: float
    right: float
    bottom: float
    top: float

    def x(self, value: float) -> float:
        return round((value - self.left) / ((self.right - self.left) or 1) * 1000, 1)

    def y(self, value: float) -> float:
        return round((self.top - value) / ((self.top - self.bottom) or 1) * 1000, 1)


def ticks(low: float, high: float, most: int) -> list[float]:
    """Round values (1, 2 or 5 times a power of ten apart) within low .. high, at most `most` of them."""
    if not high - low > 1e-300:  # nothing between them that a float can divide
        return [low]
    rough = (high - low) / max(1, most - 1)
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(factor * power for factor in (1, 2, 5, 10) if factor * power >= rough * (1 - 1e-9))
    first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
    return [number * step for number in range(first, last + 1)]


def number(value: float) -> str:
    """0.000005 -> "5e-6", 12000 -> "12,000", 0.30000000000000004 -> "0.3"."""
    if value and not 1e-3 <= abs(value) < 1e6:
        mantissa, _, exponent = f"{value:.2e}".partition("e")
        return f"{mantissa.rstrip('0').rstrip('.')}e{int(exponent)}"
    return f"{value:,.4f}".rstrip("0").rstrip(".")


def line_chart(
    title: str,
    now: Sequence[tuple[str, str]],
    frame: Frame,
    lines: Sequence[Line],
    hovers: Sequence[tuple[float, str]] = (),
    kind: str = "",
) -> Html:
    """`now` stands at the right of the title, (words, kind of the line that they are about or ""); `hovers` are (x, words) that
    appear under the pointer."""
    across = ticks(frame.left, frame.right, 7 if kind == "large" else 4)
    if frame.right - frame.left < 8:  # steps are whole: no tick at 1.5
        across = [value for value in across if value == int(value)]
    up = ticks(frame.bottom, frame.top, 6 if kind == "large" else 3)
    return Html(
        '<figure class="ti_lab_chart {kind}"><figcaption><b>{title}</b>{now}</figcaption><div class="ti_lab_plot">{marks}'
        '<svg viewBox="0 0 1000 1000" preserveAspectRatio="none" role="img" aria-label="{title}: {spoken}">{grid}{lines}{hovers}'
        "</svg></div></figure>"
    ).format(
        kind=kind,
        title=title,
        now=Html("").join(Html('<span class="{}">{}</span>').format(of, words) for words, of in now),
        marks=_marks(frame, across, up),
        spoken=", ".join(words for words, _ in now),
        grid=Html('<path class="ti_lab_grid" d="M0 {}H1000"/>').each(map(frame.y, up)),
        lines=Html("").join(_path(line, frame) for line in lines),
        hovers=_hovers(hovers, frame),
    )


def _marks(frame: Frame, across: Sequence[float], up: Sequence[float]) -> Html:
    y, x = (
        Html('<span class="ti_lab_y" style="top:{}%">{}</span>'),
        Html('<span class="ti_lab_x" style="left:{}%">{}</span>'),
    )
    return Html("").join(
        [
            *(y.format(frame.y(value) / 10, number(value)) for value in up),
            *(x.format(frame.x(value) / 10, number(value)) for value in across),
        ]
    )


def _path(line: Line, frame: Frame) -> Html:
    if not line.points:
        return NOTHING
    if line.dots:  # strokes of no length with round ends stay round however the drawing is stretched
        d = "".join(f"M{frame.x(x)} {frame.y(y)}h0" for x, y in line.points)
    else:
        d = "M" + "L".join(f"{frame.x(x)} {frame.y(y)}" for x, y in line.points)
    return Html('<path class="ti_lab_line {}" d="{}"/>').format(line.kind, d)


def _hovers(hovers: Sequence[tuple[float, str]], frame: Frame) -> Html:
    chosen = hovers[:: max(1, math.ceil(len(hovers) / MOST_HOVERS))]
    width = 1000 / max(1, len(chosen))
    return Html("").join(
        Html(
            '<rect class="ti_lab_hover" x="{:.1f}" y="0" width="{:.1f}" height="1000"><title>{}</title></rect>'
        ).format(frame.x(x) - width / 2, width, words)
        for x, words in chosen
    )


def loss_chart(history: History, measured: Sequence[Measured] = ()) -> Html:
    """Raw losses light (where points hold many steps, from their least to their greatest), the smoothed line over them; and those
    measured on fixed samples."""
    points = history.points
    smoothed = smooth([point.loss for point in points])
    # A few wild steps must not flatten all the others, so the axis goes no further than three times the smoothed curve.
    fixed = [(float(one.step), one.loss) for one in measured if one.step <= points[-1].step]
    top = min(max(point.high for point in points), 3 * max(smoothed)) or 1.0
    top, bottom = max([top, *(y for _, y in fixed)]), min([*(point.low for point in points), *(y for _, y in fixed)])
    margin = 0.06 * (top - bottom) or 0.1 * top
    first = min([points[0].step, *(int(x) for x, _ in fixed)])
    frame = Frame(first, points[-1].step, max(0.0, bottom - margin), top + margin)
    raw = [(float(point.step), point.loss) for point in points]
    lines = [Line(raw, "raw")]
    if history.stride > 1:
        upper = [(float(point.step), point.high) for point in points]
        lines = [Line([*upper, *((float(point.step), point.low) for point in reversed(points))], "band"), *lines]
    elif len(points) <= MOST_DOTS:
        lines.append(Line(raw, "dot", dots=True))
    lines.append(Line([(x, y) for (x, _), y in zip(raw, smoothed, strict=True)], "main"))
    words = [
        (x, f"step {number(x)}: loss {y:.4f}, smoothed {even:.4f}") for (x, y), even in zip(raw, smoothed, strict=True)
    ]
    now = [(f"{smoothed[-1]:.4f} smoothed", "main" if fixed else "")]
    if fixed:
        lines += [Line(fixed, "second"), Line(fixed, "second mark", dots=True)]
        on = "held-out pictures" if measured[-1].held_out else "fixed samples"
        now.append((f"{fixed[-1][1]:.4f} on {on}, best at step {measured[-1].best_step:,}", "second"))
    return line_chart("Loss", now, frame, lines, words, "large")


def rate_chart(history: History) -> Html:
    stairs = _stairs([(point.step - point.steps, point.step, point.rate) for point in history.points])
    return _small("Learning rate", [(number(history.points[-1].rate), "")], history, {"main": stairs})


def norms_chart(history: History) -> Html:
    """A line for each encoder of each embedding; of more than there are colours, the length now alone."""
    last = history.points[-1].norms
    kinds = dict(zip(last, ("main", "second", "third", "fourth"), strict=False))
    lines = {
        kind: [(float(point.step), point.norms[name]) for point in history.points if name in point.norms]
        for name, kind in kinds.items()
    }
    now = [(f"{name} {length:.3g}", kinds.get(name, "") if len(kinds) > 1 else "") for name, length in last.items()]
    return _small("Vector norm", now, history, lines)


def _small(title: str, now: Sequence[tuple[str, str]], history: History, lines: dict[str, list[XY]]) -> Html:
    values = [y for points in lines.values() for _, y in points]
    frame = Frame(history.points[0].step, history.points[-1].step, 0.0, max(values, default=1.0) * 1.15 or 1.0)
    return line_chart(title, now, frame, [Line(points, kind) for kind, points in lines.items()])


def schedule_chart(schedule: Schedule, last: int) -> Html:
    """The rate of updates 1 to `last`: stairs, and curves where it falls or rises."""
    rows = schedule.curve(0, last)
    frame = Frame(0, rows[-1][1], 0.0, max(rate for *_, rate in rows) * 1.15)
    stairs = _stairs([(first - 1, end, rate) for first, end, rate in rows])
    count = len(schedule.table(0, last))
    stages = f"{count} stage" + "s" * (count > 1)
    return line_chart("Learning rate by step", [(stages, "")], frame, [Line(stairs, "main")])


def _stairs(rows: Sequence[tuple[int, int, float]]) -> list[XY]:
    points: list[XY] = []
    for first, last, rate in rows:
        points += [(float(first), rate), (float(last), rate)]
    return points
