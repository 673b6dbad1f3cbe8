"""A user would lose: what an embedding means in words."""

import resource
import time

import pytest
import torch

from lib_ti.inspect.nearest import nearest_tokens
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
