"""A whole training on a demo model, and what came of it in figures. Importing it is cheap: torch comes in with the work."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lib_ti.app import App
from lib_ti.atomic import write_atomically
from lib_ti.config.train import TrainConfig
from lib_ti.control import Control
from lib_ti.demo.concept import CONCEPT, PICTURES, draw_other_pictures
from lib_ti.events import Emit, Event, Finished, PreviewReady, Saved, Status, StepDone

if TYPE_CHECKING:
    from lib_ti.embedding.embedding import Embedding

NAME = "demostar"
MODELS = ("demo", "demo-xl")


@dataclass(frozen=True)
class Summary:
    """Losses are means over a fixed batch of pictures that were not trained on; `loss_oracle` is that of the true words.

    `gap_closed` = (init - final) / (init - oracle). Paths are relative to the folder of the summary.
    """

    family: str
    steps: int
    images_per_second: float
    loss_init: float
    loss_final: float
    loss_oracle: float
    gap_closed: float
    embedding: str
    loss_plot: str
    previews: tuple[str, ...]


def demo_concept(model: str) -> dict[str, Any]:
    """What a form holds for a demo model, by dotted path: the demo concept, and how its previews look best; nothing for others."""
    if model not in MODELS:
        return {}
    return {
        "embedding.name": NAME,
        "embedding.init": CONCEPT.init_text,
        "data.folder": str(PICTURES),
        "data.template": "subject",
        "preview.prompt": CONCEPT.caption,
        "preview.cfg": 3.0,
        "preview.seed": 1,
        "run.seed": 1,
    }


def demo_settings(model: str, steps: int = 200) -> dict[str, Any]:
    """Settings that train the demo concept well in `steps`, by dotted path; nothing for other models."""
    quarter = max(1, steps // 4)
    how = {
        "embedding.vectors": 2,
        "optim.lr": f"0.02:{3 * quarter}, 5e-3",
        "optim.steps": steps,
        "optim.batch_size": 8,
        "preview.every": quarter,
        "save.every": quarter,
    }
    concept = demo_concept(model)
    return concept | how if concept else {}


def run_demo(app: App, out: Path, config: TrainConfig, emit: Emit, control: Control) -> Summary | None:
    """Train, then measure and write `out/summary.json`; None where the user stopped the training."""
    results = _Results(emit)
    path = app.train(config, results, control)
    if path is None or results.finished is None or results.finished.stopped:
        return None
    emit(Status("Measuring on pictures that were not trained on"))
    losses = _measure(app, app.load_embedding(path))
    summary = Summary(
        family=app.model().family,
        steps=results.finished.step,
        images_per_second=results.images / results.seconds,
        **losses,
        embedding=_relative(path, out),
        loss_plot=_relative(results.plot, out) if results.plot else "",
        previews=tuple(_relative(preview, out) for preview in results.previews),
    )
    write_atomically(out / "summary.json", (json.dumps(asdict(summary), indent=1) + "\n").encode())
    return summary


class _Results:
    """Passes events on and remembers what the summary needs of them."""

    def __init__(self, emit: Emit) -> None:
        self.emit = emit
        self.images, self.seconds = 0, 0.0
        self.previews: list[Path] = []
        self.plot: Path | None = None
        self.finished: Finished | None = None

    def __call__(self, event: Event) -> None:
        match event:
            case StepDone():
                self.images += event.images
                self.seconds += event.seconds
            case PreviewReady():
                self.previews.append(event.path)
            case Saved(kind="plot"):
                self.plot = event.path
            case Finished():
                self.finished = event
        self.emit(event)


def _measure(app: App, embedding: Embedding) -> dict[str, float]:
    import torch

    from lib_ti.host import SessionRequest
    from lib_ti.training.evaluation import FixedBatch, gap_closed

    pictures = [torch.from_numpy(picture).permute(2, 0, 1) / 127.5 - 1 for picture in draw_other_pictures()]
    words = {"init": CONCEPT.init_text, "final": embedding.name, "oracle": CONCEPT.phrase}
    with app.host.training_session(SessionRequest(embedding.name, embedding.rows)) as session:
        batch = FixedBatch(session, pictures)
        losses = {
            f"loss_{kind}": batch.loss(CONCEPT.caption.replace("[name]", word), {embedding.name: embedding.vectors})
            for kind, word in words.items()
        }
    return {**losses, "gap_closed": gap_closed(losses["loss_init"], losses["loss_final"], losses["loss_oracle"])}


def _relative(path: Path, folder: Path) -> str:
    """With forward slashes on every system; as it is where it lies elsewhere."""
    try:
        return path.resolve().relative_to(folder.resolve()).as_posix()
    except ValueError:
        return str(path)
