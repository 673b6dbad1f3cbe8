"""A contributor loses: a figure more for Inspect is one line, and every face has it."""

import subprocess
import sys
from dataclasses import asdict

import pytest
import torch

from lib_ti.cli.tables import inspection_lines
from lib_ti.embedding.embedding import Embedding
from lib_ti.inspect import columns
from lib_ti.inspect.columns import COLUMNS, Column, figures_of, used_columns
from lib_ti.inspect.inspection import inspect_embedding
from lib_ti.inspect.line import Line

FIGURES = figures_of(torch.tensor([[3.0, -4.0]]))


def test_columns_are_the_figures_of_json_after_what_the_line_is() -> None:
    keys = [column.key for column in COLUMNS]
    assert keys == ["number", "vectors", "text", "tokens", *asdict(FIGURES)]
    cells = [column.cell(2, Line(5, 2, "a cat", (3, 40)), FIGURES) for column in COLUMNS]
    assert cells == ["2", "2", "a cat", "3, 40", "-4.0000", "3.0000", "-1.0000", "7.0000", "5.0000", "3.5000"]


def test_columns_with_nothing_to_tell_are_left_out() -> None:
    def used(*lines: Line) -> set[str]:
        return {column.key for column in COLUMNS} - {column.key for column in used_columns(lines)}

    assert used(Line(0, 1), Line(1, 1)) == {"vectors", "text", "tokens"}
    assert used(Line(0, 2)) == {"text", "tokens"}
    assert used(Line(0, 1, "cat"), Line(1, 1, "my", (4,))) == {"vectors"}


def test_a_column_more_is_in_the_table_of_the_command_line(monkeypatch: pytest.MonkeyPatch) -> None:
    span = Column("span", "Span", lambda number, line, figures: figures.max - figures.min, format=".1f")
    monkeypatch.setattr(columns, "COLUMNS", (*COLUMNS, span))
    lines = inspection_lines(inspect_embedding(Embedding("foo", {"clip_l": torch.tensor([[3.0, -4.0]])})))
    assert lines[1].split()[-2:] == ["std", "span"]
    assert lines[2].split()[-2:] == ["3.5000", "7.0"]


def test_a_face_that_shows_columns_does_not_wait_for_torch() -> None:
    code = "import sys, lib_ti.inspect.columns; print('torch' in sys.modules)"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "False"
