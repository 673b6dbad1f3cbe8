"""Of a server that runs for weeks a user would lose memory, threads and open files, a little with each request."""

import sys
from pathlib import Path

import pytest
import torch

from tests.benchmarks.soak import AT_ONCE, NAMES, Count, a_server, grown, round_of_work


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="counts in /proc")
def test_what_trainings_merges_and_inspections_hold_is_level(tmp_path: Path) -> None:
    """Once each name is there and each kind of round was done, more of them leave nothing behind."""
    torch.set_num_threads(1)
    with a_server(tmp_path) as client:
        for number in range(2 * NAMES):
            round_of_work(client, number)
        settled = Count.now()
        for number in range(2 * NAMES, 6 * NAMES):
            round_of_work(client, number)
        last = Count.now()
    # A server's threads and the connections of both ends go and come, as many as requests are there at once.
    assert last.threads <= settled.threads + AT_ONCE
    assert len(last.files) <= len(settled.files) + 2 * AT_ONCE, (settled.files, last.files)
    assert last.tensors <= settled.tensors
    more = grown(settled.objects, last.objects)
    assert sum(more.values()) < 20 * 4 * NAMES, more
