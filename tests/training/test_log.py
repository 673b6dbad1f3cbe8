"""Logs: a user would lose rows of the loss table, or its plot."""

from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from lib_ti.events import StepDone
from lib_ti.training.log import LossTable, TensorBoard, read_losses, save_loss_plot


def done(step: int) -> StepDone:
    return StepDone(step, 10, (step - 1) // 4, (step - 1) % 4, 0.5 / step, 0.005, {"clip_l": 0.4}, 1, 0.1)


def write(path: Path, first: int, last: int, every: int = 1) -> None:
    table = LossTable(path, first, every)
    for step in range(first + 1, last + 1):
        table.add(done(step))
    table.close()


def test_columns_and_numbers_are_those_of_a1111(tmp_path: Path) -> None:
    write(tmp_path / "loss.csv", 0, 5)
    lines = (tmp_path / "loss.csv").read_text().splitlines()
    assert lines[0] == "step,epoch,epoch_step,loss,learn_rate"
    assert lines[1] == "1,0,0,0.5000000,0.005"
    assert lines[5] == "5,1,0,0.1000000,0.005"


def test_every_n_steps(tmp_path: Path) -> None:
    write(tmp_path / "loss.csv", 0, 10, every=4)
    assert [row["step"] for row in read_losses(tmp_path / "loss.csv")] == ["4", "8"]
    write(tmp_path / "none.csv", 0, 10, every=0)
    assert not (tmp_path / "none.csv").exists()


def test_rows_of_steps_done_again_after_a_crash_stand_once(tmp_path: Path) -> None:
    path = tmp_path / "loss.csv"
    write(path, 0, 7)
    with path.open("a") as file:
        file.write("8,1,3,0.06")  # killed in the middle of a row
    write(path, 5, 9)
    assert [int(row["step"]) for row in read_losses(path)] == list(range(1, 10))


def test_tensorboard_gets_the_loss(tmp_path: Path) -> None:
    board = TensorBoard(tmp_path, True, 0)
    board.add(done(1))
    board.close()
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    events = EventAccumulator(str(tmp_path))
    events.Reload()
    assert events.Scalars("loss")[0].value == 0.5
    assert set(events.Tags()["scalars"]) == {"loss", "learn_rate", "vector_length/clip_l"}


def test_plot_is_a_picture_with_curves_in_it(tmp_path: Path) -> None:
    table = tmp_path / "loss.csv"
    table.write_text(
        "step,epoch,epoch_step,loss,learn_rate\n" + "".join(f"{n},0,{n},{1 / n},0.005\n" for n in range(1, 50))
    )
    assert save_loss_plot(table, tmp_path / "loss.png", "foo")
    colours = Image.open(tmp_path / "loss.png").convert("RGB").getcolors(1 << 20)
    assert colours is not None
    for curve in [(27, 94, 155), (217, 130, 43)]:  # the running mean's blue and the learning rate's orange
        assert any(max(abs(a - b) for a, b in zip(curve, colour, strict=True)) < 40 for _, colour in colours)


def test_no_rows_no_picture(tmp_path: Path) -> None:
    assert not save_loss_plot(tmp_path / "missing.csv", tmp_path / "loss.png", "foo")
    assert not (tmp_path / "loss.png").exists()


@pytest.mark.parametrize(
    "lost",
    [b"\0" * 400, b"\xff\xfe\n", b"4,0,3", b"x,0,3,0.1,0.01\n", b"-1,0,3,0.1,0.01\n", b"9" * 200_000, b'"4,0,3\n'],
)
def test_what_a_power_cut_left_is_no_row_and_costs_no_other(tmp_path: Path, lost: bytes) -> None:
    """A user would lose: the run, which could not be resumed for its table of losses."""
    path = tmp_path / "losses.csv"
    whole = b"step,epoch,epoch_step,loss,learn_rate\r\n1,0,0,0.5,0.01\r\n2,0,1,0.4,0.01\r\n"
    path.write_bytes(whole + lost)
    assert [row["step"] for row in read_losses(path)] == ["1", "2"]
    table = LossTable(path, 2, 1)
    table.close()
    assert [row["step"] for row in read_losses(path)] == ["1", "2"]


HEAD = b"step,epoch,epoch_step,loss,learn_rate\n"


def test_a_table_is_read_through_whatever_a_power_cut_left(tmp_path: Path) -> None:
    """Zero bytes end Python 3.10's own reader; what is whole before and behind them must come through."""
    path = tmp_path / "loss.csv"
    rows = [f"{n},0,{n},0.5,0.005\n".encode() for n in range(1, 7)]
    for spoiled in (
        bytes(4096) + b"\n",
        b"3,0,\xff\xfe\xfa,0.5,0.005\n",
        b"3,0\n",
        b"three,0,3,0.5,0.005\n",
        b"3,0,3,much,0.005\n",
        b'3,"0,3,0.5,0.005\n',
        b"3" * 200_000 + b",0,3,0.5,0.005\n",
        b"-3,0,3,0.5,0.005\n",
        b"\n\r\n,,,,\n",
    ):
        path.write_bytes(HEAD + b"".join([*rows[:2], spoiled, *rows[3:]]) + bytes(512))
        assert {int(row["step"]) for row in read_losses(path)} - {3} == {1, 2, 4, 5, 6}, spoiled[:20]
        write(path, 4, 5)
        assert [int(row["step"]) for row in read_losses(path)][-1] == 5
    for nothing in (b"", bytes(5000), b"\xff" * 5000, HEAD[:10], b"other,columns\n1,2\n"):
        path.write_bytes(nothing)
        assert read_losses(path) == []
        assert not save_loss_plot(path, tmp_path / "loss.png", "foo")


@settings(max_examples=200, database=None, suppress_health_check=list(HealthCheck))
@given(data=st.binary(max_size=300), whole=st.booleans())
def test_any_bytes_are_a_table(tmp_path_factory: pytest.TempPathFactory, data: bytes, whole: bool) -> None:
    path = tmp_path_factory.getbasetemp() / "any.csv"
    path.write_bytes((HEAD if whole else b"") + data)
    for row in read_losses(path):
        assert int(row["step"]) >= 0
        float(row["loss"])
