"""Draws the pictures of docs/training.md by really training the demo model: `python -m tests.figures OUT`. Some minutes on a CPU.

Runs are kept in OUT, so that a second call only draws.
"""

import csv
import os
import re
import sys
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")  # before torch is read: a model this small gains nothing from threads

import torch
from matplotlib.figure import Figure
from PIL import Image

from lib_ti.adapters.detect import open_standalone
from lib_ti.cli.main import main
from lib_ti.demo.concept import CONCEPT, PICTURES, draw_other_pictures
from lib_ti.formats.files import load_embedding
from lib_ti.host import SessionRequest
from lib_ti.training.evaluation import FixedBatch, gap_closed

STEPS, EVERY = 200, 25
SHOWN = (0, 25, 50, 100, 150, 200)
RATES = {"0.0005": "too low", "0.02": "right", "10": "too high"}
VECTORS = (1, 2, 8)
BATCHES = (1, 8)
STAGED = "0.02:150, 5e-3"


def train(out: Path, vectors: int = 2, rate: str = "0.02", batch: int = 8) -> Path:
    """The folder of a run's logs; what is there already is kept."""
    folder = out / f"v{vectors}-r{rate}-b{batch}".replace(":", "to").replace(", ", "-")
    if not list(folder.glob("*.safetensors")):
        code = main(
            [
                "train",
                *("--model", "demo", "--data", str(PICTURES), "--name", "my-star-7", "--init", CONCEPT.init_text),
                *("--vectors", str(vectors), "--lr", rate, "--batch-size", str(batch), "--steps", str(STEPS)),
                *("--template", "subject", "--preview-prompt", CONCEPT.caption, "--preview-every", str(EVERY)),
                *("--save-every", str(EVERY), "--seed", "1", "--set", "preview.cfg=3", "--set", "preview.seed=1"),
                *("--out", str(folder)),
            ]
        )
        assert code == 0
    return next(folder.glob("logs/*/my-star-7"))


def by_step(folder: Path) -> dict[int, Path]:
    found = {
        int(re.findall(r"-(\d+)\.", path.name)[0]): path
        for path in folder.glob("my-star-7-*.*")
        if path.suffix != ".state"
    }
    return dict(sorted(found.items()))


def measure(out: Path, run: Path) -> dict[int, tuple[float, float]]:
    """(gap closed on pictures that were not trained on, mean length of the vectors) by step."""
    copies = {step: load_embedding(path) for step, path in by_step(run / "embeddings").items()}
    first = copies[EVERY]
    host = open_standalone("demo", "cpu", "fp32", out, out / "logs")
    pictures = [torch.from_numpy(picture).permute(2, 0, 1) / 127.5 - 1 for picture in draw_other_pictures()]
    found = {}
    with host.training_session(SessionRequest(first.name, first.rows)) as session:
        batch = FixedBatch(session, pictures)

        def loss(word: str) -> float:
            return batch.loss(CONCEPT.caption.replace("[name]", word), {first.name: first.vectors})

        at_first, oracle = loss(CONCEPT.init_text), loss(CONCEPT.phrase)
        for step, copy in copies.items():
            now = batch.loss(CONCEPT.caption.replace("[name]", first.name), {first.name: copy.vectors})
            length = torch.cat(list(copy.vectors.values())).norm(dim=1).mean().item()
            found[step] = gap_closed(at_first, now, oracle), length
    return found


def losses(run: Path) -> tuple[list[int], list[float]]:
    with (run / "textual_inversion_loss.csv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    return [int(row["step"]) for row in rows], [float(row["loss"]) for row in rows]


def smooth(values: list[float], width: int = 20) -> list[float]:
    return [sum(values[max(0, i - width) : i + 1]) / (i + 1 - max(0, i - width)) for i in range(len(values))]


def sheet(rows: list[tuple[str, list[Image.Image]]], columns: list[str], path: Path) -> None:
    """Pictures in rows and columns, with words beside and above them."""
    count = len(columns)
    figure = Figure(figsize=(1.15 * count + 1.3, 1.18 * len(rows) + 0.3), dpi=110, layout="constrained")
    axes = figure.subplots(len(rows), count, squeeze=False)
    for (label, pictures), line in zip(rows, axes, strict=True):
        for number, (picture, axis) in enumerate(zip(pictures, line, strict=True)):
            axis.imshow(picture.convert("RGB"), interpolation="nearest")
            axis.set(xticks=[], yticks=[])
            axis.spines[:].set_visible(False)
            if number == 0:
                axis.set_ylabel(label, rotation=0, ha="right", va="center", fontsize=8)
    for axis, title in zip(axes[0], columns, strict=True):
        axis.set_title(title, fontsize=8)
    figure.savefig(path)


def draw_rates(out: Path, pictures: Path) -> None:
    runs = {rate: train(out, rate=rate, batch=1) for rate in RATES}
    found = {rate: measure(out, run) for rate, run in runs.items()}
    rows = []
    for rate, run in runs.items():
        gap, length = found[rate][STEPS]
        shown = by_step(run / "images")
        label = f"rate {rate}\n{RATES[rate]}\nlength {length:.3g}\ngap {gap:.0%}"
        rows.append((label, [Image.open(shown[step]) for step in SHOWN]))
    sheet(rows, [f"step {step}" for step in SHOWN], pictures / "training-rate.png")

    figure = Figure(figsize=(9, 2.8), dpi=100, layout="constrained")
    left, middle, right = figure.subplots(1, 3)
    for rate, color in zip(RATES, ("#2a78b5", "#3a9d5d", "#c8502d"), strict=True):
        steps, values = losses(runs[rate])
        left.plot(steps, smooth(values), color=color, label=rate)
        middle.plot(found[rate].keys(), [gap for gap, _ in found[rate].values()], "o-", ms=3, color=color, label=rate)
        right.plot(
            found[rate].keys(), [length for _, length in found[rate].values()], "o-", ms=3, color=color, label=rate
        )
    left.set(title="loss (mean of 20 updates)", xlabel="step")
    middle.set(title="gap closed, other pictures", xlabel="step", ylim=(0, 1.1))
    right.set(title="length of the vectors", xlabel="step", yscale="log")
    for axis in (left, middle, right):
        axis.grid(alpha=0.25)
        axis.title.set_fontsize(9)
    left.legend(title="rate", fontsize=8, title_fontsize=8)
    figure.savefig(pictures / "training-rate-curves.png")
    print("rates", found)


def draw_vectors(out: Path, pictures: Path) -> None:
    rows = []
    for vectors in VECTORS:
        run = train(out, vectors=vectors)
        found, shown = measure(out, run), by_step(run / "images")
        print("vectors", vectors, found)
        label = f"{vectors} vector{'s' * (vectors > 1)}"
        rows.append((f"{label}\ngap {found[STEPS][0]:.0%}", [Image.open(shown[step]) for step in SHOWN]))
    sheet(rows, [f"step {step}" for step in SHOWN], pictures / "training-vectors.png")


def draw_batches(out: Path, pictures: Path) -> None:
    figure = Figure(figsize=(7, 2.8), dpi=100, layout="constrained")
    left, right = figure.subplots(1, 2)
    for batch, color in zip(BATCHES, ("#c8502d", "#3a9d5d"), strict=True):
        run = train(out, batch=batch)
        found = measure(out, run)
        print("batch", batch, found)
        steps, values = losses(run)
        left.plot(steps, values, color=color, linewidth=0.8, label=f"{batch} an update")
        right.plot(found.keys(), [gap for gap, _ in found.values()], "o-", ms=3, color=color)
    left.set(title="loss of each update", xlabel="step", yscale="log")
    right.set(title="gap closed, other pictures", xlabel="step", ylim=(0, 1.1))
    for axis in (left, right):
        axis.grid(alpha=0.25)
        axis.title.set_fontsize(9)
    left.legend(title="pictures", fontsize=8, title_fontsize=8)
    figure.savefig(pictures / "training-batch.png")


def draw_loss(out: Path, pictures: Path) -> None:
    """A run's own loss.png, as it is."""
    picture = Image.open(train(out, rate=STAGED) / "loss.png").convert("P", palette=Image.Palette.ADAPTIVE)
    picture.save(pictures / "training-loss.png", optimize=True)


if __name__ == "__main__":
    scratch, target = Path(sys.argv[1]), Path(__file__).parent.parent / "docs" / "pictures"
    scratch.mkdir(parents=True, exist_ok=True)
    draw_rates(scratch, target)
    draw_vectors(scratch, target)
    draw_batches(scratch, target)
    draw_loss(scratch, target)
