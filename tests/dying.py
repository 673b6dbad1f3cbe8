"""The five things that write, and a process that does one of them and dies of it as often as one likes.

`python -m tests.dying` reads a line of JSON for each death, and answers with one; every death is that of a fork of its own, so
that nothing is imported twice. Torch lets no fork go backwards whose parent has, so no test can be that parent.
"""

import importlib
import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from PIL import Image

from lib_ti.app import App
from lib_ti.config.embeddings import ConvertConfig, CreateConfig, MergeConfig, RemakeConfig
from lib_ti.config.options import build_config
from lib_ti.config.train import TrainConfig
from lib_ti.control import Control
from lib_ti.errors import NothingLeft
from lib_ti.events import Event, StepDone, ignore
from tests.disk_moments import End, MortalDisk
from tests.test_remake import Finetune
from tests.toy_host import ToyHost

ROOT = Path(__file__).parents[1]
WARM = (
    *("lib_ti.training.run", "lib_ti.create", "lib_ti.merge.build", "lib_ti.library.conversion"),
    *("lib_ti.formats.writing", "matplotlib.backends.backend_agg"),
)
"""What the app imports with the first real work."""


def pictures(folder: Path) -> Path:
    """The data set that lies beside `folder`, and so is the same for all."""
    path = folder.parent / "pictures"
    if not path.is_dir():
        path.mkdir(parents=True)
        for number in range(3):
            Image.linear_gradient("L").resize((64, 64)).rotate(70 * number).convert("RGB").save(path / f"{number}.png")
    return path


def train(folder: Path, steps: int, listen: Callable[[Event, Control], None] | None = None, **changes: Any) -> None:
    values: dict[str, Any] = {
        "embedding.name": "foo",
        "embedding.init": "round thing",
        "embedding.resume": True,
        "data.folder": str(pictures(folder)),
        "data.template": "subject",
        "optim.lr": "0.01",
        "optim.steps": steps,
        "preview.every": 3,
        "save.every": 3,
        "save.in_previews": True,
        "save.csv_every": 1,
        "run.seed": 3,
    }
    control = Control()
    config = build_config(TrainConfig, values | {key.replace("__", "."): value for key, value in changes.items()})
    App(ToyHost(folder)).train(config, lambda event: listen(event, control) if listen else None, control)


def merge(root: Path, expression: str, name: str, **edits: Any) -> None:
    App(ToyHost(root)).merge(MergeConfig(expression, name, overwrite=True, **edits))


def save_asked(event: Event, control: Control) -> None:
    if isinstance(event, StepDone) and event.step == 8:
        control.save_now()


def prepare_training(folder: Path) -> None:
    App(ToyHost(folder)).create(CreateConfig("foo", init="round thing", vectors=2))


def prepare_saving(folder: Path) -> None:
    prepare_training(folder)
    train(folder, 5)


def prepare_merge(folder: Path) -> None:
    merge(folder, "'red'", "mix")
    merge(folder, "'red':70", "mix-1")


def prepare_again(folder: Path) -> None:
    merge(folder, "'red'", "zz")
    merge(folder, "'zz'*2", "mm")
    merge(folder, "'mm'+'zz'", "aa")


def prepare_convert(folder: Path) -> None:
    prepare_again(folder)
    convert(folder)
    merge(folder, "'blue'", "zz")
    merge(folder, "'blue'*2", "mm")


def merge_twice(folder: Path) -> None:
    merge(folder, "'red':70,'green','blue'" + ",'round'" * 20, "mix", over="split")
    merge(folder, "'blue'", "mix", format="pt")
    merge(folder, "'blue'*3", "deep", folder=str(folder / "embeddings/new/deep"))


def again(folder: Path) -> None:
    app = App(Finetune(folder))
    paths = [folder / "embeddings" / f"{name}.safetensors" for name in ("aa", "mm", "zz")]
    faults = [one.fault for one in app.remake(paths, RemakeConfig(overwrite=True)) if one.fault]
    assert not faults, faults


def convert(folder: Path) -> None:
    config = ConvertConfig(to="png", folder=str(folder / "embeddings/png"), overwrite=True)
    done = App(ToyHost(folder)).convert([folder / "embeddings"], config)
    assert not done.faults, done.faults


@dataclass(frozen=True)
class Operation:
    prepare: Callable[[Path], None]
    work: Callable[[Path], None]
    further: Callable[[Path], None] = ignore  # type: ignore[assignment]  # which must find all that the work has left


OPERATIONS = {
    "training": Operation(prepare_training, lambda folder: finish(folder, 7), lambda folder: finish(folder, 10)),
    "saving": Operation(
        prepare_saving,
        lambda folder: finish(folder, 10, save_asked, save__every=0),
        lambda folder: finish(folder, 12),
    ),
    "merge": Operation(prepare_merge, merge_twice),
    "again": Operation(prepare_again, again),
    "convert": Operation(prepare_convert, convert),
}


def finish(folder: Path, steps: int, *args: Any, **changes: Any) -> None:
    """Also where it is finished already."""
    with suppress(NothingLeft):
        train(folder, steps, *args, **changes)


@dataclass(frozen=True)
class Death:
    """At the moment `at` of an operation; 0 for none, beyond the last one for after the end."""

    operation: str
    folder: str
    at: int
    end: End


@contextmanager
def dying() -> Iterator[Callable[[Death], dict[str, Any]]]:
    """Dies a death in another process: its exit status ("status", negative for a signal), the "moments" until then, and "what"
    it died at."""
    environment = os.environ | {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-m", "tests.dying"]
    with subprocess.Popen(
        command, cwd=ROOT, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        stdin, stdout = process.stdin, process.stdout
        assert stdin is not None
        assert stdout is not None

        def die(death: Death) -> dict[str, Any]:
            stdin.write(json.dumps(asdict(death)) + "\n")
            stdin.flush()
            return dict(json.loads(stdout.readline()))

        yield die
        stdin.close()


def main() -> None:
    torch.set_num_threads(1)
    for name in WARM:
        importlib.import_module(name)
    torch.optim.AdamW([torch.zeros(1)])  # imports a good deal more
    for line in sys.stdin:
        death = Death(**json.loads(line))
        reader, writer = os.pipe()
        child = os.fork()
        if not child:
            os.close(reader)
            _die(death, writer)
        os.close(writer)
        with os.fdopen(reader) as told:
            answer = json.loads(told.read() or "{}")
        _, status = os.waitpid(child, 0)
        print(json.dumps(answer | {"status": os.waitstatus_to_exitcode(status)}), flush=True)


def _die(death: Death, writer: int) -> None:
    status, write = 1, os.write
    try:
        disk = MortalDisk(death.at, death.end, lambda what: report(what))

        def report(what: str) -> None:
            write(writer, json.dumps({"moments": len(disk.moments), "what": what}).encode())

        disk.install()
        OPERATIONS[death.operation].work(Path(death.folder))
        if death.at:
            disk.die()
        report("")
        status = 0
    except BaseException:  # noqa: BLE001 - a fork must never come back to what it was forked of
        import traceback

        traceback.print_exc()
    finally:
        os._exit(status)


if __name__ == "__main__":
    main()
