"""A user would lose: figures that are true, and the sign that an embedding is broken."""

import math

import pytest
import torch

from lib_ti.inspect.columns import figures_of
from lib_ti.inspect.facts import LONG
from lib_ti.inspect.line import Line, vector_lines
from lib_ti.inspect.table import measure
from tests.merge.text_model import SmallTextModel


def test_the_figures_are_those_of_plain_arithmetic() -> None:
    found = figures_of(torch.tensor([[3.0, -4.0], [0.0, 1.0]]))
    assert (found.min, found.max, found.sum, found.abs_sum) == (-4, 3, 0, 8)
    assert found.length == pytest.approx((5 + 1) / 2), "of several vectors the mean, so that it compares with one"
    assert found.std == pytest.approx(math.sqrt((9 + 16 + 0 + 1) / 4))


def test_huge_numbers_have_a_finite_length() -> None:
    (table,) = measure({"clip_l": torch.full((1, 12), 2e38)}, vector_lines(1))
    assert math.isfinite(table.rows[0].length)
    assert math.isfinite(table.figures[0].sum)


def test_each_line_gets_the_figures_of_its_rows() -> None:
    host = SmallTextModel("sdxl")
    vectors = {name: host.token_vectors([5, 6, 7], name) for name in host.widths}
    tables = measure(vectors, [Line(0, 2), Line(2, 1)], host, nearest=1)
    assert [table.encoder for table in tables] == ["clip_l", "clip_g"]
    for table in tables:
        matrix = vectors[table.encoder]
        assert table.figures == (figures_of(matrix[:2]), figures_of(matrix[2:]))
        assert [row.nearest[0].token for row in table.rows] == [5, 6, 7]
        assert [row.length for row in table.rows] == pytest.approx(matrix.norm(dim=1).tolist())
        assert table.vocabulary_length == pytest.approx(host.tables[table.encoder].norm(dim=1).mean().item())


def test_a_vector_far_longer_than_the_vocabulary_is_told() -> None:
    host = SmallTextModel()
    mean = host.tables["clip_l"].norm(dim=1).mean()
    unit = torch.nn.functional.normalize(host.token_vectors([5], "clip_l"), dim=1)
    rows = torch.cat([unit * mean, unit * mean * LONG * 1.01, unit * mean * LONG * 0.99])
    (table,) = measure({"clip_l": rows}, [], host)
    assert [row.too_long for row in table.rows] == [False, True, False]


def test_without_a_model_there_is_nothing_to_compare_with() -> None:
    (table,) = measure({"clip_l": torch.ones(2, 4)}, vector_lines(2))
    assert table.vocabulary_length is None
    assert all(not row.nearest and not row.too_long for row in table.rows)


def test_words_and_pieces_of_words_are_told_apart() -> None:
    host = SmallTextModel()
    cat = host.tokenize("cat")[0]
    (table,) = measure({"clip_l": host.token_vectors([cat, 320 - 256], "clip_l")}, [], host, nearest=1)
    assert table.rows[0].nearest[0].text == "cat"
    assert table.rows[1].nearest[0].text.endswith("-"), "a piece goes on"
