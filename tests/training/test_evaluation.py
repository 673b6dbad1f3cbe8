"""A user would lose: figures that can be compared, because they are measured on the same batch."""

from pathlib import Path

import pytest
import torch

from lib_ti.host import SessionRequest
from lib_ti.training.evaluation import FixedBatch, gap_closed
from tests.toy_host import ToyHost


@pytest.mark.parametrize("family", ["sd1", "sdxl"])
def test_fixed_batch_gives_the_same_loss_again_and_sees_the_vectors(tmp_path: Path, family: str) -> None:
    host = ToyHost(tmp_path, family)
    pictures = list(torch.rand(3, 3, 64, 64, generator=torch.Generator().manual_seed(1)) * 2 - 1)
    vectors = {"foo": {name: torch.zeros(2, width) for name, width in host.widths.items()}}
    with host.training_session(SessionRequest("foo", 2)) as session:
        batch = FixedBatch(session, pictures)
        first = batch.loss("a foo", vectors)
        assert first == batch.loss("a foo", vectors) == pytest.approx(batch.loss("a foo", vectors, at_once=5), rel=1e-5)
        assert first != batch.loss("a foo", {"foo": {name: value + 1 for name, value in vectors["foo"].items()}})
        assert len(batch.rows) == 24
        assert {timestep // 125 for _, _, timestep in batch.rows} == set(range(8))


def test_gap_closed() -> None:
    assert gap_closed(0.4, 0.4, 0.2) == 0.0
    assert gap_closed(0.4, 0.25, 0.2) == pytest.approx(0.75)
