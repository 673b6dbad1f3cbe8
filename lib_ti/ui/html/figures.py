"""What vectors are like, and what an expression would give: inspections, comparisons, explanations by tokens."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from lib_ti.errors import InvalidText
from lib_ti.inspect.columns import used_columns
from lib_ti.ui import wording
from lib_ti.ui.html.data_uri import data_uri
from lib_ti.ui.html.markup import NOTHING, Html
from lib_ti.ui.html.notices import soft, warnings

if TYPE_CHECKING:
    from lib_ti.app import Check, Decomposition, Inspection, Line, RowPair, Sameness, Table

BEFORE, AFTER = 28, 16
"""Characters shown on both sides of a fault, so that a caret's line need not wrap."""


def check(checked: Check) -> Html:
    """What an expression would give; its fault is shown beside the field."""
    if checked.rows is None:
        return NOTHING
    advice = Html("").join(
        Html('<p class="ti_lab_warning">{} <span class="ti_lab_hint">{}</span></p>').format(one.message, one.hint)
        for one in checked.advice
    )
    return Html('<p class="ti_lab_good">{}</p>{}').format(_vectors(checked.rows), advice)


def caret(error: InvalidText) -> str:
    """As plain text: the message, the text about the fault on one line with carets below, and the hint."""
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


def inspection(seen: Inspection, light: bytes = b"", dark: bytes = b"") -> Html:
    """A table for each encoder, and the heat map's PNG for either theme."""
    pictures = Html("").join(
        Html('<img class="ti_lab_on_{}" src="{}" alt="Heat map of {}">').format(theme, data_uri(picture), seen.title)
        for theme, picture in (("light", light), ("dark", dark))
        if picture
    )
    return Html(
        '<section class="ti_lab_card ti_lab_seen"><div class="ti_lab_row"><b class="ti_lab_job">{title}</b><span>{vectors}</span>'
        "</div>{recipe}{notes}{warnings}{tables}{heat}</section>"
    ).format(
        title=seen.title,
        vectors=_vectors(len(seen.tables[0].rows)),
        recipe=soft(seen.recipe) if seen.recipe else "",
        notes=Html("<p>{}</p>").each(seen.notes),
        warnings=warnings(seen.warnings),
        tables=Html("").join(_table(table, seen.lines) for table in seen.tables),
        heat=Html('<div class="ti_lab_heat">{}</div>').if_any(pictures),
    )


def _table(table: Table, lines: Sequence[Line]) -> Html:
    columns = used_columns(lines)
    near = any(row.nearest for row in table.rows) and any(line.vectors == 1 for line in lines)
    body = []
    for number, (line, figures) in enumerate(zip(lines, table.figures, strict=True), 1):
        mine = table.rows[line.first : line.first + line.vectors]
        chips = Html("").join(
            Html("<span>{} <i>{:.2f}</i></span>").format(one.text, one.cosine)
            for one in (mine[0].nearest if len(mine) == 1 else ())
        )
        body.append(
            Html("<tr{}>{}{}</tr>").format(
                Html(' class="ti_lab_too_long"') if any(one.too_long for one in mine) else "",
                Html("<td>{}</td>").each(column.cell(number, line, figures) for column in columns),
                Html('<td class="ti_lab_near">{}</td>').format(chips) if near else "",
            )
        )
    length = Html("; the vocabulary’s vectors are <b>{:.3f}</b> long on average")
    return Html("<p><b>{encoder}</b>, {width:,} wide{length}</p>{table}").format(
        encoder=table.encoder,
        width=table.width,
        length="" if table.vocabulary_length is None else length.format(table.vocabulary_length),
        table=_scroll([*(column.heading for column in columns), *(["Nearest tokens"] if near else [])], body),
    )


def _scroll(head: Sequence[str], rows: Sequence[Html]) -> Html:
    """A table in a box that scrolls."""
    return Html(
        '<div class="ti_lab_scroll ti_lab_figures"><table><thead><tr>{}</tr></thead><tbody>{}</tbody></table></div>'
    ).format(Html("<th>{}</th>").each(head), Html("").join(rows))


def comparison(title: str, pairs: Mapping[str, Sequence[RowPair]]) -> Html:
    head = ("#", "Cosine", "Distance", "Length", "The other’s")
    parts = []
    for encoder, rows in pairs.items():
        body = []
        for number, pair in enumerate(rows, 1):
            cosine = "" if pair.cosine is None else f"{pair.cosine:.4f}"
            cells = [str(number), cosine, *(f"{one:.4f}" for one in (pair.distance, *pair.lengths))]
            body.append(Html("<tr>{}</tr>").format(Html("<td>{}</td>").each(cells)))
        parts.append(Html("<p><b>{}</b></p>{}").format(encoder, _scroll(head, body)))
    return Html('<section class="ti_lab_card"><b>Compared with {}</b>{}</section>').format(title, Html("").join(parts))


def sameness(found: Sameness) -> Html:
    verdict = Html("<p><b>{}</b></p>").format(wording.NOT_SAME)
    if found.same:
        verdict = Html('<p class="ti_lab_good">{}</p>').format(wording.SAME)
    rows = Html("").join(
        Html("<p>{}: largest difference {:.4g}, beside a largest number of {:.4g}</p>").format(
            key, difference, found.scale[key]
        )
        for key, difference in found.largest.items()
    )
    return Html('<section class="ti_lab_card">{}{}</section>').format(verdict, rows)


def decomposition(found: Decomposition) -> Html:
    residuals = [
        wording.RESIDUAL.format(encoder=key, share=_percent(max(r)), mean=_percent(sum(r) / len(r)))
        for key, r in found.residuals.items()
    ]
    return Html('<section class="ti_lab_card ti_lab_expression"><pre>{}</pre>{}</section>').format(
        found.expression, Html("<p>{}</p>").each(residuals)
    )


def _percent(share: float) -> str:
    return f"{100 * share:.2f}"


def _vectors(count: int) -> str:
    return f"{count} vector{'' if count == 1 else 's'}"
