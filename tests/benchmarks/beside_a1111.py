"""Our training beside A1111's own trainer, in one process of the real WebUI: same checkpoint, pictures, size and batch, in turns.

    WEBUI/venv/bin/python -m tests.benchmarks.beside_a1111 --webui-root WEBUI --checkpoint FILE --size 256

Run by the WebUI's Python in this repository's folder, on the CPU. An update's time is that from one optimizer step to the next,
so that neither side's start, saves or pictures count. Memory is this process's, above what it held before the run.
"""

from __future__ import annotations

import argparse
import ctypes
import gc
import itertools
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch

from tests.adapters.webui.inside import boot

NAME, MIB = "benchmarked", 2**20
TRAINERS = {
    "built-in": {"training_xattention_optimizations": False},
    "built-in, its attention option on": {"training_xattention_optimizations": True},
    "TI Lab": {},
    "TI Lab, gradient checkpointing": {"run.checkpointing": True},
}


@dataclass
class Measured:
    """Seconds of each update, by round; MiB at the peak of a run, after it, and of gradients left on the model's weights."""

    updates: list[list[float]] = field(default_factory=list)
    peak: list[float] = field(default_factory=list)
    held: list[float] = field(default_factory=list)
    gradients: float = 0.0


@contextmanager
def steps_timed() -> Iterator[list[float]]:
    """The moments at which AdamW took a step, whoever called it."""
    step, moments = torch.optim.AdamW.step, []

    def timed(*arguments: Any, **more: Any) -> Any:
        result = step(*arguments, **more)
        moments.append(time.perf_counter())
        return result

    torch.optim.AdamW.step = timed  # type: ignore[method-assign]
    try:
        yield moments
    finally:
        torch.optim.AdamW.step = step  # type: ignore[method-assign]


def built_in(folder: Path, arguments: argparse.Namespace, options: dict[str, Any]) -> None:
    from modules import shared
    from modules.textual_inversion import textual_inversion, ui
    from torch.utils.data import Sampler

    from lib_ti.adapters.a1111.host import A1111Host
    from lib_ti.app import App
    from lib_ti.config.embeddings import CreateConfig

    # Its sampler passes its source on, which torch no longer takes.
    Sampler.__init__ = lambda self, data_source=None: None  # type: ignore[method-assign, misc]
    template = Path(shared.cmd_opts.textual_inversion_templates_dir) / "benchmark.txt"
    template.parent.mkdir(parents=True, exist_ok=True)
    template.write_text("a photo of a [name]\n")
    textual_inversion.list_textual_inversion_templates()
    # Made by us, since what it writes itself with a new torch it takes for malicious and does not load.
    made = App(A1111Host()).create(CreateConfig(NAME, init="star", vectors=2, format="pt"))
    shared.opts.data.update(options, save_training_settings_to_txt=False)  # it fails where nothing else is saved
    about = [NAME, "0.005", arguments.batch, 1, str(folder), str(folder.parent / "log"), arguments.size, arguments.size]
    about += [False, arguments.steps, "disabled", "0.1", False, 0, "once", False, 0, 0, "benchmark.txt", False, False]
    with torch.enable_grad():
        ui.train_embedding("", *about, "", "", 1, "Euler", 7, 1, 64, 64)
    made.path.unlink()


def ours(folder: Path, arguments: argparse.Namespace, options: dict[str, Any]) -> None:
    from lib_ti.adapters.a1111.host import A1111Host
    from lib_ti.app import App
    from lib_ti.config.options import build_config
    from lib_ti.config.train import TrainConfig
    from lib_ti.control import Control
    from lib_ti.events import ignore

    template = folder.parent / "template.txt"
    template.write_text("a photo of a [name]\n")
    values = {
        "embedding.name": NAME,
        "embedding.vectors": 2,
        "embedding.init": "star",
        "embedding.overwrite": True,
        "data.folder": str(folder),
        "data.template": str(template),
        "data.width": arguments.size,
        "data.height": arguments.size,
        "data.fit": "squash",
        "optim.steps": arguments.steps,
        "optim.batch_size": arguments.batch,
        "preview.every": 0,
        "save.every": 0,
        "save.log_folder": str(folder.parent / "ours"),
        **options,
    }
    path = App(A1111Host()).train(build_config(TrainConfig, values), ignore, Control())
    for file in path.parent.glob(f"{NAME}*"):  # else the next trainer would find it trained already
        file.unlink()


def memory(name: str) -> float:
    """MiB of this process: VmRSS now, VmHWM at the peak."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(name)) / 1024


def tidy() -> None:
    """Memory that Python or the C library only keeps for later is given back."""
    gc.collect()
    ctypes.CDLL("libc.so.6").malloc_trim(0)


def measure(train: Callable[[], None], into: Measured) -> None:
    from modules import shared

    for weight in shared.sd_model.parameters():
        weight.grad = None
    tidy()
    before = memory("VmRSS")
    Path("/proc/self/clear_refs").write_text("5")  # the peak begins anew
    with steps_timed() as moments:
        train()
    into.peak.append(memory("VmHWM") - before)
    tidy()
    into.held.append(memory("VmRSS") - before)
    grads = [weight.grad for weight in shared.sd_model.parameters() if weight.grad is not None]
    into.gradients = sum(grad.numel() * grad.element_size() for grad in grads) / MIB
    into.updates.append([late - early for early, late in itertools.pairwise(moments)])


def table(results: dict[str, Measured]) -> str:
    base = [statistics.median(one) for one in results["built-in"].updates]
    lines = [
        "| trainer | updates per built-in update, in equal time | peak memory of a run | held afterwards | of it, gradients |",
        "| --- | --- | --- | --- | --- |",
    ]
    for name, result in results.items():
        ratios = [slow / statistics.median(one) for slow, one in zip(base, result.updates, strict=True)]
        spread = f"{statistics.median(ratios):.2f} ({min(ratios):.2f} to {max(ratios):.2f})"
        memories = f"{statistics.median(result.peak):.0f} MiB | {statistics.median(result.held):.0f} MiB"
        lines.append(f"| {name} | {spread} | {memories} | {result.gradients:.0f} MiB |")
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--webui-root", type=Path, required=True)
    parser.add_argument("--checkpoint", default="", help="a file of its models folder; else its own choice")
    parser.add_argument("--size", type=int, default=256)
    parser.add_argument("--batch", type=int, default=1)
    parser.add_argument("--steps", type=int, default=6, help="updates a run; the first is not counted")
    parser.add_argument("--rounds", type=int, default=3)
    arguments = parser.parse_args()

    import lib_ti.demo

    pictures = sorted((Path(lib_ti.demo.__file__).parent / "pictures").glob("*.png"))[:4]
    results = {name: Measured() for name in TRAINERS}
    with tempfile.TemporaryDirectory() as root:
        folder = Path(root) / "pictures"
        folder.mkdir()
        for picture in pictures:
            (folder / picture.name).write_bytes(picture.read_bytes())
        boot(arguments.webui_root, Path(root) / "data", arguments.checkpoint)
        from modules import shared

        assert shared.sd_model is not None  # loads it
        for _ in range(arguments.rounds):
            for name, options in TRAINERS.items():
                train = built_in if name.startswith("built-in") else ours
                measure(lambda train=train, options=options: train(folder, arguments, options), results[name])  # type: ignore[misc]
    print(table(results))


if __name__ == "__main__":
    main()
