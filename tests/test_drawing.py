"""A user of a server would lose: open files, a few for each thread that draws, until there are no more."""

import sys
import threading
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from lib_ti.drawing import in_one_thread
from lib_ti.embedding.embedding import Embedding
from lib_ti.errors import HostError
from lib_ti.inspect.heatmap import draw_heatmap
from lib_ti.inspect.inspection import inspect_embedding
from lib_ti.training.log import save_loss_plot
from tests.toy_host import ToyHost


def at_once(work: Callable[[int], object], threads: int) -> None:
    """In as many threads, none of which ends before all have worked."""
    everybody = threading.Barrier(threads)

    def one(number: int) -> None:
        work(number)
        everybody.wait(120)

    workers = [threading.Thread(target=one, args=(number,)) for number in range(threads)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(120)
        assert not worker.is_alive()


@pytest.mark.skipif(sys.platform != "linux", reason="counts in /proc")
def test_a_figure_leaves_no_file_open_whatever_thread_asks_for_it(tmp_path: Path) -> None:
    losses = tmp_path / "losses.csv"
    losses.write_text("step,epoch,epoch_step,loss,learn_rate\n1,0,0,0.5,0.01\n2,0,1,0.4,0.01\n")
    inspection = inspect_embedding(Embedding("a", {"clip_l": torch.ones(2, 6)}, family="sd1"), ToyHost(tmp_path))

    def draw(number: int) -> None:
        assert draw_heatmap(inspection).startswith(b"\x89PNG")
        assert save_loss_plot(losses, tmp_path / f"{number}.png", "a")

    def open_files() -> int:
        return len(list(Path("/proc/self/fd").iterdir()))

    at_once(draw, 1)
    before = open_files()
    at_once(draw, 4)
    assert open_files() <= before


def test_what_cannot_be_drawn_is_told_to_who_asked() -> None:
    @in_one_thread
    def draw(size: int, title: str = "") -> str:
        if size > 5:
            raise HostError("too large")
        return f"{title} {size}"

    with pytest.raises(HostError, match="too large"):
        draw(6)
    assert draw(5, title="a") == "a 5"
