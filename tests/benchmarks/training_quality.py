"""How well and how fast recipes learn, through the product's own loop and host, on things that the demo models do not know.

    python -m tests.benchmarks.training_quality --out results               # run what is not there yet, and print the table
    python -m tests.benchmarks.training_quality --out results --figure quality.png

A trial trains one concept from 6 to 8 pictures and measures its copies at 32, 64, 125, 250, 500 and 1,000 pictures seen. **Gap
closed**: how far the loss on a fixed batch of other renderings went from that of "a photo of a shape" to that of the true words; for
a colour or a shape that the model never saw, to that of a reference trained with 4,800 pictures. **Right**: of 16 pictures of
"a photo of a NAME", read by formula. **Composed**: of 8 pictures each of "a striped NAME" and "a dotted NAME", those that show
the texture asked for on the thing. **Length**: of the vectors, in lengths of words.

Four concepts are to tune recipes on (`--concepts tune`), eight to report on; of each class of the latter something is held out of
the models' training, rare in it, of a new colour, or of a new shape. `--concepts composed` are the four of both of which composed
prompts are measured. Trials are kept in --out and are not run again.

In a recipe, {class} is the word for the concept's shape, and {class pictures} a folder of 24 pictures of it, of every texture and
colour that the models know, with captions.
"""

import argparse
import json
import os
import random
import statistics
import tempfile
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")  # before torch is read: a model this small gains nothing from threads

import numpy as np
import torch
from PIL import Image

from lib_ti.adapters.detect import open_standalone
from lib_ti.app import App
from lib_ti.config.options import build_config
from lib_ti.config.train import TrainConfig
from lib_ti.control import Control
from lib_ti.demo import world
from lib_ti.demo.recipe import gates
from lib_ti.demo.world import COLOURS, SHAPES, Array, Thing, draw_many
from lib_ti.embedding.embedding import Embedding
from lib_ti.embedding.vocabulary import word_lengths
from lib_ti.events import Event, Measured, Saved, StepDone
from lib_ti.formats.files import load_embedding
from lib_ti.host import Host, ImageRequest, SessionRequest
from lib_ti.training.evaluation import FixedBatch, gap_closed

MARKS = (32, 64, 125, 250, 500, 1000)
"""Pictures seen, at which a copy is measured."""
NEW_COLOURS = {"lime": (150, 215, 40), "teal": (30, 150, 130)}
TUNE = (
    Thing("striped", "purple", "star"),
    Thing("dotted", "orange", "ring"),
    Thing("plain", "green", "heart"),
    Thing("plain", "lime", "star"),
)
REPORT = (
    Thing("dotted", "blue", "triangle"),
    Thing("striped", "red", "cross"),
    Thing("plain", "pink", "diamond"),
    Thing("dotted", "green", "square"),
    Thing("striped", "turquoise", "heart"),
    Thing("plain", "teal", "cross"),
    Thing("plain", "purple", "crescent"),
    Thing("dotted", "red", "crescent"),
)
CONCEPTS = {
    "tune": TUNE,
    "report": REPORT,
    "composed": tuple(thing for thing in TUNE + REPORT if thing.texture == "plain" and thing.shape in SHAPES),
}

# Recipes. Each is a run's settings; `images` is how many pictures it sees unless it ends by itself.

_NORMALISED = {"optim.name": "normalised", "optim.length": "cap", "embedding.vectors": 8}
RECIPES: dict[str, dict[str, Any]] = {
    "a1111": {"optim.lr": "0.005"},
    "a1111, 8 vectors": {"optim.lr": "0.005", "embedding.vectors": 8},
    "kohya guide": {  # 800 embeddings: object template, no captions, accumulation 15
        "optim.lr": "0.005",
        "embedding.vectors": 5,
        "optim.accumulation": 15,
        "optim.weight_decay": 0.01,
    },
    "diffusers example": {"optim.lr": "5e-4", "optim.accumulation": 4, "optim.weight_decay": 0.01},
    "onetrainer preset": {"optim.lr": "3e-4", "optim.weight_decay": 0.01},
    "automatic": {"run.preset": "automatic", "preview.every": 0, "save.every": 0},
    "normalised, 125": {**_NORMALISED, "optim.lr": "0.6r cosine:125"},
}
IMAGES = {
    "a1111": 1000,
    "a1111, 8 vectors": 1000,
    "kohya guide": 1500,
    "diffusers example": 2000,
    "onetrainer preset": 1600,
}
_REFERENCE: dict[str, Any] = {
    "embedding.vectors": 2,
    "embedding.init": "shape",
    "optim.lr": "warmup:4, 0.15r cosine:300",
    "optim.batch_size": 16,
    "loss.stratified": True,
}


def class_of(thing: Thing) -> str:
    if thing.colour in NEW_COLOURS:
        return "new colour"
    if thing.shape == "crescent":
        return "new shape"
    return "held out" if thing in world.HELD_OUT else "rare"


@cache
def enlarge_the_world() -> None:
    """Colours and a shape that the models have never seen, for drawing and for reading pictures."""
    known = world.signed_distance

    def signed_distance(shape: str, x: Array, y: Array) -> Array:
        if shape == "crescent":
            return np.asarray(np.maximum(np.hypot(x, y) - 0.95, 0.72 - np.hypot(x - 0.42, y)))
        return known(shape, x, y)

    COLOURS.update(NEW_COLOURS)
    for module in (world, gates):
        module.SHAPES = (*SHAPES, "crescent")  # type: ignore[attr-defined]
        module.signed_distance = signed_distance  # type: ignore[attr-defined]


# One trial


@dataclass(frozen=True)
class Trial:
    model: str
    recipe: str
    init: str
    thing: Thing
    seed: int

    def path(self, out: Path) -> Path:
        words = f"{self.model} {self.recipe} {self.init.replace('*', 'star')} {self.thing.phrase} {self.seed}"
        return out / f"{words.replace(',', '').replace(' ', '-')}.json"


@dataclass
class Ruler:
    """Measures embeddings of one thing in one model."""

    host: Host
    thing: Thing
    oracle: float | None = None

    def batch(self, count: int = 8) -> list[torch.Tensor]:
        pictures = draw_many([self.thing] * count, random.Random(1234))
        return [torch.from_numpy(picture).permute(2, 0, 1) / 127.5 - 1 for picture in pictures]

    def losses(self, embeddings: Sequence[Embedding], words: Sequence[str] = ()) -> list[float]:
        """Of "a photo of a ..." with each embedding, then with each of the words."""
        found = []
        for vectors in sorted({embedding.rows for embedding in embeddings} or {1}):
            with self.host.training_session(SessionRequest("trx", vectors)) as session:
                batch = FixedBatch(session, self.batch())
                for embedding in embeddings:
                    if embedding.rows == vectors:
                        found.append(batch.loss("a photo of a trx", {"trx": embedding.vectors}))
                none = {one.name: torch.zeros(vectors, one.width) for one in self.host.model().encoders}
                found += [batch.loss(f"a photo of a {word}", {"trx": none}) for word in words]
        return found

    def right(self, prompt: str, embedding: Embedding, wanted: Thing, count: int) -> float:
        pictures = np.stack(
            [
                np.asarray(
                    self.host.generate(
                        ImageRequest(prompt, cfg=3.0, seed=500 + n, width=world.SIZE, height=world.SIZE),
                        {embedding.name: embedding.vectors},
                    )
                )
                for n in range(count)
            ]
        )
        return gates.count_right(pictures, [wanted] * count) / count


def run_trial(trial: Trial, settings: dict[str, Any], out: Path, reference: float | None, draw: bool) -> None:
    enlarge_the_world()
    with tempfile.TemporaryDirectory() as folder:
        result = _train_and_measure(trial, settings, Path(folder), reference, draw)
    path = trial.path(out)
    path.with_suffix(".tmp").write_text(json.dumps(result, indent=1))
    path.with_suffix(".tmp").replace(path)


def _train_and_measure(
    trial: Trial, settings: dict[str, Any], folder: Path, reference: float | None, draw: bool
) -> dict[str, Any]:
    torch.set_num_threads(1)
    settings = {"embedding.init": trial.init, **settings}
    host, copies, path, seen = train(trial, settings, folder, IMAGES.get(trial.recipe, 1000))
    ruler = Ruler(host, trial.thing)
    words = ["shape"] + ([trial.thing.phrase] if reference is None else [])
    *measured, final, first = _split(ruler.losses([*copies.values(), path], words), reference)
    oracle = reference if reference is not None else measured.pop()
    gaps = {mark: gap_closed(first, loss, oracle) for mark, loss in zip(copies, measured, strict=True)}
    lengths = word_lengths(host)
    thing, textures = trial.thing, {}
    if draw and thing.texture == "plain" and thing.shape != "crescent":
        for texture in ("striped", "dotted"):
            wanted = Thing(texture, thing.colour, thing.shape)
            textures[texture] = ruler.right(f"a photo of a {texture} {path.name}", path, wanted, 8)
    return {
        "gaps": gaps,
        "end": gap_closed(first, final, oracle),
        "images": seen,
        "right": ruler.right(f"a photo of a {path.name}", path, thing, 16) if draw else 0.0,
        "composed": textures,
        "length": statistics.mean(
            float(rows.norm(dim=1).mean()) / lengths[encoder] for encoder, rows in path.vectors.items()
        ),
    }


def _split(losses: list[float], reference: float | None) -> list[float]:
    """[copies ..., oracle if it was measured, the end, the first words]."""
    words = 1 if reference is not None else 2
    copies, last, found = losses[: -words - 1], losses[-words - 1], losses[-words:]
    return [*copies, *found[1:], last, found[0]]


def train(
    trial: Trial, settings: dict[str, Any], folder: Path, images: int, pictures: int = 0
) -> tuple[Host, dict[int, Embedding], Embedding, float]:
    """(host, copies by pictures seen, the embedding, images it cost: a pass forward alone counts half)."""
    data = folder / "pictures"
    data.mkdir()
    count = pictures or (8, 7, 6)[trial.seed % 3]
    drawn = draw_many([trial.thing] * count, random.Random(4242 if pictures else 77 + 1000 * trial.seed))
    for number, picture in enumerate(drawn):
        Image.fromarray(picture).save(data / f"{number}.png")
    host = open_standalone(trial.model, "cpu", "fp32", folder, folder / "logs")
    base = {
        "embedding.name": "trx",
        "data.folder": str(data),
        "data.template": "subject",
        "preview.every": 0,
        "save.every": 0,
        "run.seed": trial.seed,
    }
    settings = {key: for_class(value, trial, folder) for key, value in settings.items()}
    config = build_config(TrainConfig, base | settings)
    config = build_config(TrainConfig, base | settings | {"optim.steps": -(-images // config.images_per_update)})
    control, listener = Control(), _Copies(config.images_per_update, 2 if config.data.class_folder else 1)
    listener.save = control.save_now
    path = App(host).train(config, listener, control)
    assert path
    copies = {mark: load_embedding(copy) for mark, copy in listener.copies.items()}
    return host, copies, load_embedding(path), listener.images


def for_class(value: Any, trial: Trial, folder: Path) -> Any:
    """A setting of a recipe, with what stands for the concept's class."""
    if value != "{class pictures}":
        return value.replace("{class}", trial.thing.shape) if isinstance(value, str) else value
    pictures, rng = folder / "class pictures", random.Random(f"class {trial.seed}")
    pictures.mkdir()
    things = [thing for thing in world.SEEN if thing.shape == trial.thing.shape and thing != trial.thing]
    things = rng.sample(things * 2, 24)
    for number, (thing, picture) in enumerate(zip(things, draw_many(things, rng), strict=True)):
        Image.fromarray(picture).save(pictures / f"{number}.png")
        (pictures / f"{number}.txt").write_text(f"a photo of a {thing.phrase}")
    return str(pictures)


class _Copies:
    """Asks for a copy at each mark, and remembers where it lies."""

    save: Callable[[], None]

    def __init__(self, batch: int, cost: int) -> None:
        """`cost` counts the class picture that comes with each."""
        self.batch, self.cost, self.images = batch, cost, 0.0
        self.copies: dict[int, Path] = {}
        self._asked: int | None = None

    def __call__(self, event: Event) -> None:
        match event:
            case StepDone():
                self.images += event.images * self.cost
                seen = event.step * self.batch
                due = [mark for mark in MARKS if seen - self.batch < mark <= seen]
                if due:
                    self._asked = due[-1]
                    self.save()
            case Saved(kind="copy") if self._asked is not None:
                self.copies[self._asked], self._asked = event.path, None
            case Measured():
                self.images += event.images


# All trials


def reference_loss(model: str, thing: Thing, out: Path) -> float | None:
    """Of what the model has no words for."""
    if not class_of(thing).startswith("new"):
        return None
    path = out / f"reference-{model}-{thing.phrase.replace(' ', '-')}.json"
    if not path.exists():
        enlarge_the_world()
        with tempfile.TemporaryDirectory() as folder:
            trial = Trial(model, "reference", "shape", thing, 0)
            host, _, embedding, _ = train(trial, _REFERENCE, Path(folder), 4800, pictures=48)
            path.write_text(json.dumps(Ruler(host, thing).losses([embedding])[0]))
    return float(json.loads(path.read_text()))


def run_all(trials: Sequence[Trial], recipes: dict[str, Any], out: Path, processes: int, draw: bool) -> None:
    todo = [trial for trial in trials if not trial.path(out).exists()]
    with ProcessPoolExecutor(processes) as pool:
        new = sorted({(trial.model, trial.thing) for trial in todo})
        found = (
            dict(zip(new, pool.map(reference_loss, *zip(*new, strict=True), [out] * len(new)), strict=True))
            if new
            else {}
        )
        jobs = [
            pool.submit(run_trial, trial, recipes[trial.recipe], out, found[trial.model, trial.thing], draw)
            for trial in todo
        ]
        for number, (job, trial) in enumerate(zip(jobs, todo, strict=True), 1):
            job.result()
            print(f"{number}/{len(todo)} {trial.path(out).stem}", flush=True)


def figures(values: Iterable[float]) -> str:
    """Worst / lower quartile / median / upper quartile / mean."""
    found = sorted(values)
    if not found:
        return "-"
    quarters = statistics.quantiles(found, n=4, method="inclusive") if len(found) > 1 else found * 3
    return " / ".join(f"{value:.2f}" for value in (found[0], *quarters, statistics.mean(found)))


def table(trials: Sequence[Trial], out: Path) -> Iterable[str]:
    """Markdown, a row a recipe and init: worst / lower quartile / median / upper quartile / mean over concepts and seeds."""
    rows: dict[tuple[str, str, str], list[tuple[Trial, dict[str, Any]]]] = {}
    for trial in trials:
        if trial.path(out).exists():
            result = json.loads(trial.path(out).read_text())
            rows.setdefault((trial.model, trial.recipe, trial.init), []).append((trial, result))
    marks = [mark for mark in MARKS if any(str(mark) in r["gaps"] for found in rows.values() for _, r in found)]
    yield (
        "| model, recipe, init | "
        + " | ".join(map(str, marks))
        + " | at its end | images | right | striped, dotted | length |"
    )
    yield "|---" * (len(marks) + 6) + "|"
    for (model, recipe, init), found in rows.items():
        results = [result for _, result in found]
        at = [figures(r["gaps"][str(mark)] for r in results if str(mark) in r["gaps"]) for mark in marks]
        images = [r["images"] for r in results]
        composed = [
            [r["composed"][texture] for r in results if texture in r["composed"]] for texture in ("striped", "dotted")
        ]
        cells = [
            f"{model}, {recipe}, {init} ({len(results)})",
            *at,
            figures(r["end"] for r in results),
            f"{statistics.mean(images):.0f}, at most {max(images):.0f}",
            f"{statistics.mean(r['right'] for r in results):.2f}",
            ", ".join(f"{statistics.mean(values):.2f}" for values in composed if values),
            f"{statistics.mean(r['length'] for r in results):.2f}",
        ]
        yield "| " + " | ".join(cells) + " |"


def by_class(trials: Sequence[Trial], out: Path) -> Iterable[str]:
    for model, recipe, init in dict.fromkeys((t.model, t.recipe, t.init) for t in trials):
        for kind in ("held out", "rare", "new colour", "new shape"):
            ends = [
                json.loads(t.path(out).read_text())["end"]
                for t in trials
                if (t.model, t.recipe, t.init) == (model, recipe, init)
                and class_of(t.thing) == kind
                and t.path(out).exists()
            ]
            if ends:
                yield f"{model}, {recipe}, {init}, {kind}: {figures(ends)}"


def draw(trials: Sequence[Trial], out: Path, picture: Path) -> None:
    """The gap closed by pictures seen: the median of each recipe as a line, from its worst to its best as a band."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(8, 4.5), dpi=110, layout="constrained")
    axes = figure.add_subplot()
    for number, key in enumerate(dict.fromkeys((t.model, t.recipe, t.init) for t in trials)):
        ours = [t for t in trials if (t.model, t.recipe, t.init) == key and t.path(out).exists()]
        results = [json.loads(trial.path(out).read_text()) for trial in ours]
        seen = {mark: [r["gaps"][str(mark)] for r in results if str(mark) in r["gaps"]] for mark in MARKS}
        seen = {mark: values for mark, values in seen.items() if values}
        if not seen:
            continue
        if max(r["images"] for r in results) not in seen:
            seen[round(statistics.mean(r["images"] for r in results))] = [r["end"] for r in results]
        marks, colour = sorted(seen), f"C{number}"
        axes.plot(marks, [statistics.median(seen[m]) for m in marks], "o-", color=colour, label=", ".join(key))
        axes.fill_between(marks, [min(seen[m]) for m in marks], [max(seen[m]) for m in marks], color=colour, alpha=0.15)
    axes.set(xscale="log", xlabel="pictures", ylabel="gap closed", ylim=(-0.25, 1.3), xticks=MARKS, xticklabels=MARKS)
    axes.minorticks_off()
    axes.axhline(1, color="black", linewidth=0.6)
    axes.grid(alpha=0.25)
    axes.legend(loc="lower right")
    figure.savefig(picture)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True, help="where trials are kept")
    parser.add_argument("--models", nargs="+", default=["demo"], choices=("demo", "demo-xl"))
    parser.add_argument("--recipes", nargs="+", default=list(RECIPES), metavar="NAME")
    parser.add_argument("--more", type=Path, help="a JSON file of more recipes: settings by name")
    parser.add_argument("--no-pictures", action="store_true", help="quicker: nothing is drawn, nor counted right")
    parser.add_argument("--inits", nargs="+", default=["*"], help='such as shape, "red thing" or *')
    parser.add_argument("--concepts", default="report", choices=list(CONCEPTS))
    parser.add_argument(
        "--seeds", type=int, nargs="+", default=[3, 4, 5], help="0 to 2 are those that recipes were chosen on"
    )
    parser.add_argument("--figure", type=Path, metavar="PNG", help="draw the gap closed by pictures seen")
    parser.add_argument("--processes", type=int, default=2)
    args = parser.parse_args()
    args.out.mkdir(parents=True, exist_ok=True)
    trials = [
        Trial(model, recipe, init, thing, seed)
        for model in args.models
        for recipe in args.recipes
        for init in args.inits
        for thing in CONCEPTS[args.concepts]
        for seed in args.seeds
    ]
    recipes = RECIPES | (json.loads(args.more.read_text()) if args.more else {})
    run_all(trials, recipes, args.out, args.processes, not args.no_pictures)
    print("\n".join(table(trials, args.out)))
    print("\n".join(by_class(trials, args.out)))
    if args.figure:
        draw(trials, args.out, args.figure)


if __name__ == "__main__":
    main()
