"""The loss and learning rate of a run as a PNG, for those who look at files rather than at the tab."""

from __future__ import annotations

import io
from pathlib import Path

from lib_ti.atomic import write_atomically
from lib_ti.training.log import read_losses


def running_mean(values: list[float], keep: float = 0.95) -> list[float]:
    """Exponential mean without the bias of its start (Kingma & Ba 2015, section 3)."""
    means, mean = [], 0.0
    for count, value in enumerate(values, 1):
        mean = keep * mean + (1 - keep) * value
        means.append(mean / (1 - keep**count))
    return means


def save_loss_plot(losses: Path, path: Path, title: str) -> bool:
    """Draw the loss table into `path`; False, and no file, where there is nothing to draw or matplotlib is not there."""
    rows = read_losses(losses)
    if not rows:
        return False
    try:
        from matplotlib.figure import Figure
    except ImportError:
        return False
    steps = [int(row["step"]) for row in rows]
    loss = [float(row["loss"]) for row in rows]
    figure = Figure(figsize=(9, 4.5), dpi=110, layout="constrained")
    left = figure.add_subplot()
    left.plot(steps, loss, color="#8ab4d8", linewidth=0.7, alpha=0.7, label="loss of each update")
    left.plot(steps, running_mean(loss), color="#1b5e9b", linewidth=2, label="running mean")
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
    write_atomically(path, picture.getvalue())
    return True
