"""An embedding as a picture: for each encoder its numbers as a heat map, its rows' lengths as bars, the nearest words beside."""

from __future__ import annotations

import io
from dataclasses import dataclass
from itertools import accumulate
from typing import TYPE_CHECKING, Any

import torch

from lib_ti.drawing import in_one_thread
from lib_ti.errors import HostError
from lib_ti.inspect.facts import Row, Table
from lib_ti.inspect.inspection import Inspection

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# Pixels; x from the left, y from the top.
_EDGE, _HEADER, _PANEL_HEADER, _PANEL_GAP = 32, 92, 44, 36
_HEAT = (72, 768)  # left side and width: one pixel for each number of clip_l
_BARS = (868, 220)
_WORDS, _WORD = (1128, 48, 118), 12  # left side, width of the cosine, width of a word; its most letters
_COMPARED, _ALONE = 1544, _BARS[0] + _BARS[1] + _EDGE  # width of the picture, with words and without
_DPI = 100
_FAMILIES = ["DejaVu Sans"]  # comes with matplotlib, so that a picture looks the same everywhere


@dataclass(frozen=True)
class _Look:
    ground: str
    ink: str
    faint: str
    grid: str
    bar: str
    warning: str
    cold: str
    middle: str
    warm: str


_LIGHT = _Look("#ffffff", "#1b2030", "#6b7386", "#e3e6ee", "#4f7fd6", "#d0342c", "#1d4ed8", "#f4f5f9", "#d9480f")
_DARK = _Look("#12151f", "#e8ebf4", "#8d96ab", "#272c3b", "#6e9bf0", "#ff6b61", "#5aa0ff", "#171b27", "#ff9d4d")


@in_one_thread
def draw_heatmap(inspection: Inspection, dark: bool = False) -> bytes:
    """A PNG, 1544 pixels wide, less without a model to compare with. Raises HostError where matplotlib is missing."""
    try:
        from matplotlib.figure import Figure
    except ImportError as error:
        raise HostError("Pictures of embeddings need matplotlib.", "pip install matplotlib") from error
    look = _DARK if dark else _LIGHT
    rows = len(next(iter(inspection.vectors.values())))
    row_height = max(15, min(48, 260 // rows))
    panel = _PANEL_HEADER + rows * row_height
    tops = list(accumulate([panel + _PANEL_GAP] * (len(inspection.tables) - 1), initial=_HEADER))
    height = tops[-1] + panel + _EDGE
    width = _COMPARED if any(row.nearest for table in inspection.tables for row in table.rows) else _ALONE
    figure = Figure(figsize=(width / _DPI, height / _DPI), dpi=_DPI, facecolor=look.ground)
    canvas = _Canvas(figure, width, height, look)
    canvas.write(_EDGE, 40, _shortened(inspection.title, 70), size=19, weight="bold")
    canvas.write(_EDGE, 66, f"{rows} vector{'s' if rows > 1 else ''}", size=11, color=look.faint)
    for table, top in zip(inspection.tables, tops, strict=True):
        canvas.panel(table, inspection.vectors[table.encoder], top, row_height)
    file = io.BytesIO()
    figure.savefig(file, format="png", dpi=_DPI, facecolor=look.ground)
    return file.getvalue()


class _Canvas:
    def __init__(self, figure: Figure, width: int, height: int, look: _Look) -> None:
        self._figure, self._width, self._height, self._look = figure, width, height, look

    def panel(self, table: Table, matrix: torch.Tensor, top: int, row_height: int) -> None:
        rows, body = len(matrix), top + _PANEL_HEADER
        limit = _usual_size(matrix)
        self.write(_EDGE, body - 14, f"{table.encoder} · {table.width} wide", size=12, weight="bold")
        self._scale(limit, body)
        self._heat(matrix, limit, body, rows * row_height)
        self._bars(table, body, rows * row_height, row_height)
        size = min(11.0, row_height * 0.55)
        for number, row in enumerate(table.rows):
            middle = body + (number + 0.5) * row_height
            self.write(
                _HEAT[0] - 8, middle, str(number + 1), size=size, color=self._look.faint, ha="right", va="center"
            )
            self._words(row, middle, size)

    def write(self, x: float, y: float, text: str, **style: Any) -> None:
        style = {"color": self._look.ink, "family": _FAMILIES, "va": "baseline", **style}
        place = x / self._width, 1 - y / self._height
        self._figure.text(*place, _drawable(text), parse_math=False, **style)

    def _axes(self, left: float, top: float, width: float, height: float) -> Axes:
        box = (left / self._width, 1 - (top + height) / self._height, width / self._width, height / self._height)
        axes = self._figure.add_axes(box, facecolor=self._look.ground)
        axes.tick_params(length=0, colors=self._look.faint, labelsize=9)
        axes.spines[:].set_visible(False)
        axes.set_xticks([])
        axes.set_yticks([])
        return axes

    def _colours(self) -> Any:
        from matplotlib.colors import LinearSegmentedColormap

        return LinearSegmentedColormap.from_list("", [self._look.cold, self._look.middle, self._look.warm])

    def _heat(self, matrix: torch.Tensor, limit: float, top: float, height: float) -> None:
        axes = self._axes(_HEAT[0], top, _HEAT[1], height)
        pixels = _strongest(matrix, _HEAT[1]).numpy()
        axes.imshow(pixels, cmap=self._colours(), vmin=-limit, vmax=limit, aspect="auto", interpolation="nearest")
        for edge in range(1, len(matrix)):
            axes.axhline(edge - 0.5, color=self._look.ground, linewidth=1)

    def _scale(self, limit: float, body: float) -> None:
        left, width = _HEAT[0] + _HEAT[1] - 165, 110
        axes = self._axes(left, body - 22, width, 8)
        axes.imshow([[step / 50 - 1 for step in range(101)]], cmap=self._colours(), aspect="auto")
        self.write(left - 8, body - 14, f"−{limit:.2g}", size=9, color=self._look.faint, ha="right")
        self.write(left + width + 8, body - 14, f"+{limit:.2g}", size=9, color=self._look.faint)

    def _bars(self, table: Table, top: float, height: float, row_height: int) -> None:
        axes = self._axes(_BARS[0], top, _BARS[1], height)
        lengths, mean = [row.length for row in table.rows], table.vocabulary_length
        colours = [self._look.warning if row.too_long else self._look.bar for row in table.rows]
        longest = max(*lengths, mean or 0.0, 1e-12) * 1.25
        axes.barh(range(len(lengths)), lengths, height=0.62, color=colours)
        axes.set_xlim(0, longest)
        axes.set_ylim(len(lengths) - 0.5, -0.5)
        for number, length in enumerate(lengths):
            label = axes.annotate(
                f"{length:#.3g}".rstrip("."), (length, number), xytext=(5, 0), textcoords="offset points", va="center"
            )
            label.set(color=self._look.faint, fontsize=min(9.5, row_height * 0.5), fontfamily=_FAMILIES, zorder=4)
            label.set_bbox(
                {"facecolor": self._look.ground, "edgecolor": "none", "pad": 0.6}
            )  # over the vocabulary's line
        self.write(_BARS[0], top - 14, "length", size=11, color=self._look.faint)
        if mean is not None:
            axes.axvline(mean, color=self._look.ink, linewidth=1, linestyle=(0, (3, 3)))
            self.write(
                _BARS[0] + _BARS[1], top - 14, f"┆ vocabulary {mean:.3g}", size=9, color=self._look.faint, ha="right"
            )

    def _words(self, row: Row, middle: float, size: float) -> None:
        if not row.nearest:
            return
        left, cosine, step = _WORDS
        self.write(left, middle, f"{row.nearest[0].cosine:.2f}", size=size, color=self._look.faint, va="center")
        for place, near in enumerate(row.nearest[:3]):
            colour = self._look.faint if place else self._look.ink
            word = _shortened(near.text, _WORD)
            self.write(left + cosine + place * step, middle, word, size=size, color=colour, va="center")


def _usual_size(matrix: torch.Tensor) -> float:
    """What the colours reach to: most numbers of a usual row, so that a single huge one does not blanch the others."""
    sizes = matrix.abs().quantile(0.99, dim=1)
    return max(sizes[sizes > 0].median().item() if sizes.any() else 0.0, 1e-12)


def _strongest(matrix: torch.Tensor, pixels: int) -> torch.Tensor:
    """[V, D] to [V, at most `pixels`]: of the numbers that fall on one pixel the largest, so that none hides."""
    if matrix.shape[1] <= pixels:
        return matrix
    _, places = torch.nn.functional.adaptive_max_pool1d(matrix.abs()[None], pixels, return_indices=True)
    return matrix.gather(1, places[0])


def _shortened(text: str, length: int) -> str:
    return text if len(text) <= length else text[: length - 1] + "…"


def _drawable(text: str) -> str:
    """A box for each sign that the font lacks, without matplotlib's warning about it."""
    from matplotlib.font_manager import FontProperties, findfont, get_font

    font = get_font(findfont(FontProperties(family=_FAMILIES)))
    return "".join(sign if sign.isprintable() and font.get_char_index(ord(sign)) else "▯" for sign in text)
