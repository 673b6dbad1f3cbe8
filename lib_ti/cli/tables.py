"""Columns of text for people: inspections and comparisons."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import TYPE_CHECKING, Any

from lib_ti.inspect.columns import Column, used_columns

if TYPE_CHECKING:
    from lib_ti.inspect.facts import Table
    from lib_ti.inspect.inspection import Inspection
    from lib_ti.inspect.line import Line


def format_table(head: Sequence[str], rows: Sequence[Sequence[str]], right: Collection[int] = ()) -> list[str]:
    """Lines; every column as wide as it needs, those numbered in `right` set to the right."""
    widths = [max(len(line[column]) for line in (head, *rows)) for column in range(len(head))]
    return [
        "  ".join(
            cell.rjust(width) if column in right else cell.ljust(width)
            for column, (cell, width) in enumerate(zip(line, widths, strict=True))
        ).rstrip()
        for line in (head, *rows)
    ]


def inspection_lines(seen: Inspection) -> list[str]:
    lines = []
    for table in seen.tables:
        mean = table.vocabulary_length
        beside = "" if mean is None else f"; the vocabulary's vectors are {mean:.4f} long on average"
        columns = used_columns(seen.lines)
        rows = [
            [_mark(column, line, table) + column.cell(number, line, figures) for column in columns]
            for number, (line, figures) in enumerate(zip(seen.lines, table.figures, strict=True), 1)
        ]
        head = [column.heading.lower() for column in columns]
        near = [_nearest(line, table) for line in seen.lines]
        if any(near):
            head, rows = [*head, "nearest"], [[*row, words] for row, words in zip(rows, near, strict=True)]
        lines += [f"{table.encoder}, {table.width} wide{beside}"]
        lines += format_table(head, rows, right={place for place, column in enumerate(columns) if column.number})
        lines.append("")
    return [*lines[:-1], *(f"Warning: {text}" for text in seen.warnings)]


def _mark(column: Column, line: Line, table: Table) -> str:
    """Of lengths that drown the words beside them."""
    rows = table.rows[line.first : line.first + line.vectors]
    return "!" if column.key == "length" and any(row.too_long for row in rows) else ""


def _nearest(line: Line, table: Table) -> str:
    """Of a line that is one vector."""
    rows = table.rows[line.first : line.first + line.vectors]
    return ", ".join(f"{near.text} {near.cosine:.2f}" for near in rows[0].nearest) if len(rows) == 1 else ""


def comparison_lines(compared: dict[str, Any]) -> list[str]:
    lines = []
    for encoder, pairs in compared.get("with", {}).items():
        rows = [
            (str(number), "" if pair["cosine"] is None else f"{pair['cosine']:.4f}", f"{pair['distance']:.4f}",
             *(f"{length:.4f}" for length in pair["lengths"]))
            for number, pair in enumerate(pairs, 1)
        ]  # fmt: skip
        lines += ["", f"{encoder}, compared"]
        lines += format_table(("#", "cosine", "distance", "length", "the other's"), rows, right=range(5))
    for encoder, both in compared.get("on_models", {}).items():
        one, other = both["tables"]
        lines += ["", f"{encoder} on two models, whose vocabularies are alike to {both['likeness']:.4f} (1: the same)"]
        rows = [
            (str(number), _words(first), _words(second))
            for number, (first, second) in enumerate(zip(one["rows"], other["rows"], strict=True), 1)
        ]
        lines += format_table(("#", "nearest on --model", "nearest on --other-model"), rows, right={0})
    if "same_as" in compared:
        found = compared["same_as"]
        lines += ["", "The same as the text." if found["same"] else "Not the same as the text."]
        lines += [
            f"{key}: largest difference {difference:.4g}, largest number {found['scale'][key]:.4g}"
            for key, difference in found["largest"].items()
        ]
    if "decomposed" in compared:
        found = compared["decomposed"]
        lines += ["", "As an expression:", found["expression"]]
        lines += [
            f"{encoder}: left unexplained of each vector's length: " + ", ".join(f"{share:.1%}" for share in shares)
            for encoder, shares in found["residuals"].items()
        ]
    return lines


def _words(row: dict[str, Any]) -> str:
    return ", ".join(f"{near['text']} {near['cosine']:.2f}" for near in row["nearest"])
