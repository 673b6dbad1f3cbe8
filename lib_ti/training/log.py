"""What a run writes down as it goes: losses as CSV in A1111's columns, TensorBoard where asked for, and a plot at the end."""

from __future__ import annotations

import csv
import io
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, TextIO

from lib_ti.atomic import write_atomically
from lib_ti.drawing import in_one_thread
from lib_ti.errors import HostError, TIError
from lib_ti.events import Measured, StepDone
from lib_ti.jobs.history import smooth
from lib_ti.reading import read_file
from lib_ti.training.verdict import Measurement, best_of

MAX_TABLE_BYTES = 256 * 1024 * 1024
COLUMNS = ("step", "epoch", "epoch_step", "loss", "learn_rate")


class LossTable:
    """Appends a row every `every` steps. On resume the rows of steps that will be done again are taken out first."""

    def __init__(self, path: Path, first_step: int, every: int) -> None:
        self._every = every
        self._file: TextIO | None = None
        if not every:
            return
        kept = [row for row in read_losses(path) if int(row["step"]) <= first_step]
        lines = [",".join(COLUMNS), *(",".join(row[column] for column in COLUMNS) for row in kept)]
        write_atomically(path, ("\n".join(lines) + "\n").encode())
        self._file = path.open("a", newline="", encoding="utf-8")

    def add(self, done: StepDone) -> None:
        if self._file and done.step % self._every == 0:
            self._file.write(f"{done.step},{done.epoch},{done.epoch_step},{done.loss:.7f},{done.rate:g}\n")
            self._file.flush()

    def sync(self) -> None:
        """No power cut takes away what is written."""
        if self._file:
            os.fsync(self._file.fileno())

    def close(self) -> None:
        if self._file:
            self._file.close()


def read_losses(path: Path) -> list[dict[str, str]]:
    """Whole rows of a loss table, A1111's own included. What a crash or a power cut left of others is left out: a line cut
    short, and the zero bytes that a file system may put where the last lines should be."""
    if not path.is_file():
        return []
    try:
        data = read_file(path, MAX_TABLE_BYTES)
    except OSError as error:
        raise TIError(
            f"The table of losses cannot be read: {error.strerror}.", "Look at its rights, or move it away.", str(path)
        ) from error
    text = data.decode("utf-8", "replace").replace("\0", "")
    lines = [line for line in text.splitlines() if len(line) < 1000]
    return [row for row in csv.DictReader(lines, quoting=csv.QUOTE_NONE) if _is_whole(row)]


def _is_whole(row: dict[str, str]) -> bool:
    """Whether it has every column that it should, and numbers in those that we read."""
    if None in row or None in row.values():
        return False
    try:
        return int(row["step"]) >= 0 and all(float(row[column]) is not None for column in ("loss", "learn_rate"))
    except (KeyError, ValueError):
        return False


class TensorBoard:
    """Loss, rate, row lengths and previews. A no-op unless asked for."""

    def __init__(self, folder: Path, wanted: bool, first_step: int) -> None:
        self._writer: Any = None
        if not wanted:
            return
        try:
            from torch.utils.tensorboard import SummaryWriter
        except ImportError as error:
            raise HostError(
                "TensorBoard is not installed.", "Turn its logging off, or install the package tensorboard."
            ) from error
        self._writer = SummaryWriter(str(folder), purge_step=first_step + 1)  # type: ignore[no-untyped-call]

    def add(self, done: StepDone) -> None:
        if self._writer:
            self._writer.add_scalar("loss", done.loss, done.step)
            self._writer.add_scalar("learn_rate", done.rate, done.step)
            for encoder, length in done.norms.items():
                self._writer.add_scalar(f"vector_length/{encoder}", length, done.step)

    def add_measured(self, done: Measured) -> None:
        if self._writer:
            self._writer.add_scalar("fixed_loss", done.loss, done.step)
            self._writer.add_scalar("fixed_score", done.score, done.step)

    def add_preview(self, image: Any, step: int, tag: str) -> None:
        if self._writer:
            import numpy as np

            self._writer.add_image(tag, np.asarray(image.convert("RGB")), step, dataformats="HWC")

    def close(self) -> None:
        if self._writer:
            self._writer.close()


def save_measurements(path: Path, measured: Sequence[Measurement]) -> None:
    lines = ["step,loss,score", *(f"{one.step},{one.loss:.7f},{one.score:.7f}" for one in measured)]
    write_atomically(path, ("\n".join(lines) + "\n").encode())


def save_loss_plot(losses: Path, path: Path, title: str, measured: Sequence[Measurement] = ()) -> bool:
    """Draw the loss table and the loss on fixed samples into `path`; False, and no file, where there is nothing to draw or matplotlib is not there."""
    rows = read_losses(losses)
    if not rows:
        return False
    try:
        picture = _draw_losses(rows, title, measured)
    except ImportError:
        return False
    write_atomically(path, picture)
    return True


@in_one_thread
def _draw_losses(rows: Sequence[Mapping[str, str]], title: str, measured: Sequence[Measurement]) -> bytes:
    """A PNG. Raises ImportError without matplotlib."""
    from matplotlib.figure import Figure

    steps = [int(row["step"]) for row in rows]
    loss = [float(row["loss"]) for row in rows]
    figure = Figure(figsize=(9, 4.5), dpi=110, layout="constrained")
    left = figure.add_subplot()
    left.plot(steps, loss, color="#8ab4d8", linewidth=0.7, alpha=0.7, label="loss of each update")
    left.plot(steps, smooth(loss), color="#1b5e9b", linewidth=2, label="smoothed")
    if measured:
        best, green = best_of(measured), "#2e7d32"
        measured_loss = [one.loss for one in measured]
        left.plot(
            [one.step for one in measured], measured_loss, "o-", color=green, markersize=4, label="on fixed samples"
        )
        left.axvline(best.step, color=green, linewidth=1, linestyle=":", label=f"best: step {best.step}")
    left.set(xlabel="step", ylabel="loss", title=title)
    left.grid(alpha=0.25)
    right = left.twinx()
    right.step(
        steps,
        [float(row["learn_rate"]) for row in rows],
        where="post",
        color="#d9822b",
        linewidth=1,
        label="learning rate",
    )
    right.set_ylabel("learning rate")
    right.set_ylim(bottom=0)
    lines = [*left.get_lines(), *right.get_lines()]
    left.legend(lines, [str(line.get_label()) for line in lines], loc="upper right", framealpha=0.8)
    picture = io.BytesIO()
    figure.savefig(picture, format="png")
    return picture.getvalue()
