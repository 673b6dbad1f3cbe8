"""Inspections, comparisons and checks of expressions as HTML: pure functions, like `render`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from lib_ti.errors import InvalidText
from lib_ti.ui import wording
from lib_ti.ui.html.data_uri import data_uri
from lib_ti.ui.html.escape import escape

if TYPE_CHECKING:
    from lib_ti.app import Check, Decomposition, Inspection, Line, RowPair, Sameness, Table

BEFORE, AFTER = 28, 16
"""Characters shown on both sides of a fault, so that a caret's line need not wrap."""

_HEAD = ("#", "Vectors", "Text", "Token", "Min", "Max", "Sum", "Abs", "Length", "Std")


def check(checked: Check) -> str:
    """What an expression would give; its fault is told beside the field."""
    if checked.rows is None:
        return ""
    advice = "".join(
        f'<p class="ti_lab_warning">{escape(one.message)} <span class="ti_lab_hint">{escape(one.hint)}</span></p>'
        for one in checked.advice
    )
    return f'<p class="ti_lab_good">{_vectors(checked.rows)}</p>{advice}'


def caret(error: InvalidText) -> str:
    """The message, the text about the fault on one line with carets below, and the hint."""
    first, last = max(0, error.start - BEFORE), error.start + AFTER
    end = max(error.start + 1, min(error.end, last))
    before, after = "…" * (first > 0), "…" * (last < len(error.text))
    near = InvalidText(
        error.message,
        before + error.text[first:last] + after,
        error.start - first + len(before),
        end - first + len(before),
        error.hint,
    )
    return str(near)


def inspection(seen: Inspection, light: bytes = b"", dark: bytes = b"") -> str:
    """A table for each encoder, and the heat map's PNG for either theme."""
    rows = len(seen.tables[0].rows)
    notes = f'<p class="ti_lab_soft">{escape(seen.recipe)}</p>' if seen.recipe else ""
    notes += "".join(f"<p>{escape(text)}</p>" for text in seen.notes)
    notes += "".join(f'<p class="ti_lab_warning">{escape(text)}</p>' for text in seen.warnings)
    tables = "".join(_table(table, seen.lines) for table in seen.tables)
    pictures = "".join(
        f'<img class="ti_lab_on_{theme}" src="{data_uri(picture)}" alt="Heat map of {escape(seen.title)}">'
        for theme, picture in (("light", light), ("dark", dark))
        if picture
    )
    heat = f'<div class="ti_lab_heat">{pictures}</div>' if pictures else ""
    title = f'<div class="ti_lab_row"><b class="ti_lab_job">{escape(seen.title)}</b><span>{_vectors(rows)}</span></div>'
    return f'<section class="ti_lab_card ti_lab_seen">{title}{notes}{tables}{heat}</section>'


def _table(table: Table, lines: Sequence[Line]) -> str:
    rows = [_cells(number, line, table) for number, line in enumerate(lines, 1)]
    used = [column for column in range(len(_HEAD)) if column != 1 and any(row[column] for row in rows)]
    if any(line.vectors > 1 for line in lines):
        used.insert(1, 1)
    near = any(row.nearest for row in table.rows) and any(line.vectors == 1 for line in lines)
    body = ""
    for line, row in zip(lines, rows, strict=True):
        mine = table.rows[line.first : line.first + line.vectors]
        bad = ' class="ti_lab_too_long"' if any(one.too_long for one in mine) else ""
        chips = ""
        if near and len(mine) == 1:
            chips = "".join(f"<span>{escape(one.text)} <i>{one.cosine:.2f}</i></span>" for one in mine[0].nearest)
        cells = "".join(f"<td>{escape(row[column])}</td>" for column in used)
        body += f'<tr{bad}>{cells}{f"""<td class="ti_lab_near">{chips}</td>""" if near else ""}</tr>'
    head = "".join(f"<th>{_HEAD[column]}</th>" for column in used) + ("<th>Nearest tokens</th>" if near else "")
    mean = table.vocabulary_length
    beside = "" if mean is None else f"; the vocabulary’s vectors are <b>{mean:.3f}</b> long on average"
    return (
        f"<p><b>{escape(table.encoder)}</b>, {table.width:,} wide{beside}</p>"
        f'<div class="ti_lab_scroll ti_lab_figures"><table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>'
    )


def _cells(number: int, line: Line, table: Table) -> tuple[str, ...]:
    """One for each of `_HEAD`."""
    mine = table.figures[number - 1]
    values = (mine.min, mine.max, mine.sum, mine.abs_sum, mine.length, mine.std)
    tokens = ", ".join(map(str, line.tokens))
    return (str(number), str(line.vectors), line.text, tokens, *(f"{value:.4f}" for value in values))


def comparison(title: str, pairs: Mapping[str, Sequence[RowPair]]) -> str:
    head = "<th>#</th><th>Cosine</th><th>Distance</th><th>Length</th><th>The other’s</th>"
    parts = ""
    for encoder, rows in pairs.items():
        body = ""
        for number, pair in enumerate(rows, 1):
            cosine = "" if pair.cosine is None else f"{pair.cosine:.4f}"
            numbers = (pair.distance, *pair.lengths)
            body += f"<tr><td>{number}</td><td>{cosine}</td>{''.join(f'<td>{one:.4f}</td>' for one in numbers)}</tr>"
        parts += (
            f'<p><b>{escape(encoder)}</b></p><div class="ti_lab_scroll ti_lab_figures"><table><thead><tr>{head}</tr></thead>'
            f"<tbody>{body}</tbody></table></div>"
        )
    return f'<section class="ti_lab_card"><b>Compared with {escape(title)}</b>{parts}</section>'


def sameness(found: Sameness) -> str:
    verdict = f'<p class="ti_lab_good">{wording.SAME}</p>' if found.same else f"<p><b>{wording.NOT_SAME}</b></p>"
    rows = "".join(
        f"<p>{escape(key)}: largest difference {difference:.4g}, beside a largest number of {found.scale[key]:.4g}</p>"
        for key, difference in found.largest.items()
    )
    return f'<section class="ti_lab_card">{verdict}{rows}</section>'


def decomposition(found: Decomposition) -> str:
    told = "".join(
        f"<p>{escape(wording.RESIDUAL.format(encoder=key, share=_percent(max(r)), mean=_percent(sum(r) / len(r))))}</p>"
        for key, r in found.residuals.items()
    )
    return f'<section class="ti_lab_card ti_lab_expression"><pre>{escape(found.expression)}</pre>{told}</section>'


def _percent(share: float) -> str:
    return f"{100 * share:.2f}"


def _vectors(count: int) -> str:
    return f"{count} vector{'' if count == 1 else 's'}"
