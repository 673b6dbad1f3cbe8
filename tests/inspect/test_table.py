"""A user would lose: figures that are right beside the vocabulary, and the words that a vector is nearest to."""

import math
import resource
import time

import pytest
import torch

from lib_ti.inspect.columns import figures_of
from lib_ti.inspect.facts import LONG
from lib_ti.inspect.line import Line, vector_lines
from lib_ti.inspect.table import measure, nearest_tokens
from tests.merge.text_model import SmallTextModel

HOST = SmallTextModel("sdxl")
CAT, DOG = 2368, 1929


def test_the_nearest_tokens_are_those_of_a_plain_comparison() -> None:
    table = HOST.tables["clip_g"]
    rows = torch.randn(3, 40, generator=torch.Generator().manual_seed(1)) * 40
    for row, near in zip(rows, nearest_tokens(rows, table, 6), strict=True):
        cosines = torch.nn.functional.cosine_similarity(row.double()[None], table.double())
        expected = cosines.topk(6)
        assert [n.token for n in near] == expected.indices.tolist()
        assert [n.cosine for n in near] == pytest.approx(expected.values.tolist(), abs=1e-9)


def test_length_does_not_count_and_direction_does() -> None:
    table = HOST.tables["clip_l"]
    near, opposite, zero = nearest_tokens(torch.stack([table[CAT] * 1e-4, -table[DOG], 0 * table[CAT]]), table, 1)
    assert (near[0].token, near[0].cosine) == (CAT, pytest.approx(1.0))
    assert opposite[0].token != DOG
    assert zero == []


def test_more_than_the_vocabulary_is_all_of_it() -> None:
    assert len(nearest_tokens(torch.ones(1, 4), torch.randn(3, 4), 10)[0]) == 3


@pytest.mark.parametrize("every", [61, pytest.param(1, marks=pytest.mark.slow)])
def test_each_token_is_nearest_to_itself(every: int) -> None:
    table = HOST.tables["clip_l"]
    near = nearest_tokens(table[::every], table, 1)
    assert [n[0].token for n in near] == list(range(0, 49408, every))
    assert min(n[0].cosine for n in near) > 1 - 1e-12


@pytest.mark.slow
def test_sdxl_vocabulary_takes_little_time_and_memory() -> None:
    table = torch.randn(49408, 1280)
    rows = torch.randn(75, 1280)
    before, start = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, time.perf_counter()
    nearest_tokens(rows, table, 10)
    seconds, grown = time.perf_counter() - start, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    print(f"75 rows of 1280: {seconds:.2f} s, {grown / 1024:.0f} MiB more")
    assert grown < 200 * 1024  # KiB; the table alone has 241 MiB


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
