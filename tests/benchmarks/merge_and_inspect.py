"""What merging, inspecting and listing cost on an SDXL-sized vocabulary and a folder of 10,000 files.

Each line runs in a process of its own; memory is what it needs at its peak beside what it had before (Linux alone tells it).

    python -m tests.benchmarks.merge_and_inspect
"""

import argparse
import multiprocessing
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import torch
from PIL import Image

from lib_ti.app import App
from lib_ti.embedding.embedding import Embedding
from lib_ti.expression.evaluate import Dictionary
from lib_ti.expression.parser import parse_expression
from lib_ti.expression.prompt import rewrite_prompt
from lib_ti.formats.png import write_preview_png
from lib_ti.formats.writing import write_pt, write_safetensors
from lib_ti.inspect.heatmap import draw_heatmap
from lib_ti.inspect.inspection import inspect_embedding
from lib_ti.inspect.table import nearest_tokens
from lib_ti.library.listing import FolderEmbeddings, Library, filter_entries, list_library
from lib_ti.merge.check import check_expression
from lib_ti.merge.vectors import evaluate_expression
from tests.merge.text_model import SmallTextModel

VOCABULARY, ROWS, FILES = 49_408, 75, 10_000
EXPRESSION = (
    "','".join(f"word {number} of many" for number in range(25)).join("''") + ":75 + 'cat'*0.5:75 - 'dog'/3 =*0.9"
)
PROMPT = "a photo of a (cat:1.2) on a [red:blue:0.5] sofa, masterpiece, best quality, <lora:x:1> AND a dog" * 2


class FullTextModel(SmallTextModel):
    """SDXL's true widths."""

    def __init__(self) -> None:
        super().__init__("sdxl")
        self.widths = {"clip_l": 768, "clip_g": 1280}
        self.tables = {name: torch.randn(VOCABULARY, width) * 0.014 for name, width in self.widths.items()}


class FolderHost(FullTextModel):
    def __init__(self, folder: Path, logs: Path) -> None:
        super().__init__()
        self.folder, self.logs = folder, logs

    def embeddings_folder(self) -> Path:
        return self.folder

    def log_folder(self) -> Path:
        return self.logs


def nearest(width: int) -> Callable[[], object]:
    table, rows = torch.randn(VOCABULARY, width), torch.randn(ROWS, width)
    return lambda: nearest_tokens(rows, table, 5)


def evaluate() -> Callable[[], object]:
    host = FullTextModel()
    return lambda: evaluate_expression(parse_expression(EXPRESSION), host, {})


def check() -> Callable[[], object]:
    host = FullTextModel()
    dictionary = Dictionary(host.tokenize)
    return lambda: check_expression(EXPRESSION, host.model(), {}, dictionary)


def plain_prompt() -> Callable[[], object]:
    return lambda: [rewrite_prompt(PROMPT, str) for _ in range(1000)]


def inspect() -> Callable[[], object]:
    host = FullTextModel()
    embedding = Embedding("a", {name: torch.randn(ROWS, width) for name, width in host.widths.items()}, family="sdxl")
    return lambda: inspect_embedding(embedding, host)


def heatmap() -> Callable[[], object]:
    host = FullTextModel()
    embedding = Embedding("a", {name: torch.randn(ROWS, width) for name, width in host.widths.items()}, family="sdxl")
    inspection = inspect_embedding(embedding, host)
    return lambda: draw_heatmap(inspection)


def list_first(folder: Path, logs: Path) -> Callable[[], object]:
    """The second call finds what the first wrote among the logs."""
    return lambda: Library().entries(folder, logs)


def list_again(folder: Path, logs: Path) -> Callable[[], object]:
    library = Library()
    library.entries(folder, logs)
    return lambda: library.entries(folder, logs)


def filter_again(folder: Path) -> Callable[[], object]:
    entries = list_library(folder)
    filter_entries(entries, "x")
    return lambda: filter_entries(entries, "e12 cat sd1")


def name_again(folder: Path, logs: Path) -> Callable[[], object]:
    """What each evaluation of an expression does before it reads it."""
    model, library = FullTextModel().model(), Library()
    library.entries(folder, logs)
    return lambda: FolderEmbeddings(library.entries(folder, logs), model)


def type_again(folder: Path, logs: Path) -> Callable[[], object]:
    """What each key pressed in an expression costs in all."""
    host = FolderHost(folder, logs)
    app = App(host)  # type: ignore[arg-type]  # enough of one
    app.check_expression("'e1'")
    return lambda: app.check_expression("'a cat' + 'e12' * 0.5")


def fill(folder: Path) -> None:
    """70 % .safetensors, 25 % .pt, 5 % pictures, in 20 folders; thumbnails beside a third."""
    embedding = Embedding("x", {"clip_l": torch.randn(4, 768)}, family="sd1", recipe={"source": "text", "init": "cat"})
    kinds = [(".safetensors", write_safetensors(embedding))] * 14 + [(".pt", write_pt(embedding))] * 5
    kinds.append((".png", write_preview_png(Image.new("RGB", (512, 512), "gray"), embedding)))
    for number in range(FILES):
        place = folder / f"folder {number % 20}"
        place.mkdir(exist_ok=True)
        ending, data = kinds[number % 20]
        (place / f"e{number}{ending}").write_bytes(data)
        if number % 3 == 0:
            (place / f"e{number}.preview.png").write_bytes(b"")


def measure(
    make: Callable[..., Callable[[], object]], arguments: tuple[object, ...], rounds: int
) -> tuple[float, float, int]:
    """Median seconds on the clock and of the processor, on one thread, and KiB that the peak memory grows by."""
    torch.set_num_threads(1)
    work = make(*arguments)
    before = _forget_peak()
    clock, processor = [], []
    for _ in range(rounds):
        began, busy = time.perf_counter(), time.process_time()
        work()
        clock.append(time.perf_counter() - began)
        processor.append(time.process_time() - busy)
    return (
        statistics.median(clock),
        statistics.median(processor),
        _kib("VmHWM") - before,
    )


def _forget_peak() -> int:
    """KiB in use now, from which on the peak is counted."""
    Path("/proc/self/clear_refs").write_text("5")
    return _kib("VmRSS")


def _kib(key: str) -> int:
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(key))


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--rounds", type=int, default=5)
    rounds = parser.parse_args().rounds
    with tempfile.TemporaryDirectory() as name:
        folder, logs = Path(name) / "embeddings", Path(name) / "logs"
        folder.mkdir()
        fill(folder)
        cases: list[tuple[str, Callable[..., Callable[[], object]], tuple[object, ...], int]] = [
            ("nearest tokens of 75 rows, clip_l (49408 x 768)", nearest, (768,), rounds),
            ("nearest tokens of 75 rows, clip_g (49408 x 1280)", nearest, (1280,), rounds),
            ("parse and evaluate a 75-row expression, SDXL", evaluate, (), rounds),
            ("check it while typing", check, (), rounds),
            ("1000 prompts without an expression", plain_prompt, (), rounds),
            ("inspect 75 rows, SDXL", inspect, (), rounds),
            ("draw their heat map", heatmap, (), rounds),
            ("list 10,000 files, the first time", list_first, (folder, logs), 1),
            ("list them in the next process", list_first, (folder, logs), 1),
            ("list them again", list_again, (folder, logs), rounds),
            ("filter them", filter_again, (folder,), rounds),
            ("name them for an expression", name_again, (folder, logs), rounds),
            ("a key pressed in an expression beside them", type_again, (folder, logs), rounds),
        ]
        print(f"{'what':<50} {'seconds':>10} {'processor':>10} {'MiB':>8}")
        for what, make, arguments, times in cases:
            with multiprocessing.get_context("spawn").Pool(1) as pool:
                seconds, busy, kib = pool.apply(measure, (make, arguments, times))
            print(f"{what:<50} {seconds:>10.4f} {busy:>10.4f} {kib / 1024:>8.1f}", flush=True)


if __name__ == "__main__":
    main()
