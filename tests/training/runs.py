"""Runs against the toy host, and what came of them."""

from collections.abc import Callable

import torch

from lib_ti.config.train import TrainConfig
from lib_ti.control import Control
from lib_ti.events import Event, StepDone, ignore
from lib_ti.formats.files import load_embedding
from lib_ti.training.plan import plan_training
from lib_ti.training.run import train
from tests.toy_host import ToyHost

Settings = Callable[..., TrainConfig]


def run(
    host: ToyHost, config: TrainConfig, control: Control | None = None, listen: Callable[[Event], None] = ignore
) -> list[Event]:
    events: list[Event] = []

    def emit(event: Event) -> None:
        events.append(event)
        listen(event)

    train(host, plan_training(host, config, emit), emit, control or Control())
    return events


def final_vectors(host: ToyHost) -> dict[str, torch.Tensor]:
    return dict(load_embedding(host.embeddings_folder() / "foo.safetensors").vectors)


def same(one: dict[str, torch.Tensor], two: dict[str, torch.Tensor]) -> bool:
    return one.keys() == two.keys() and all(torch.equal(one[name], two[name]) for name in one)


def stop_at(step: int, control: Control) -> Callable[[Event], None]:
    return lambda event: control.stop() if isinstance(event, StepDone) and event.step == step else None


def files(host: ToyHost) -> dict[str, dict[str, torch.Tensor]]:
    """The vectors of every embedding that lies there, by name and encoder."""
    folder = host.embeddings_folder()
    return {path.stem: dict(load_embedding(path).vectors) for path in folder.glob("*.safetensors")}


def equal(one: ToyHost, two: ToyHost) -> bool:
    """Whether both have made the same embeddings, bit for bit."""
    a, b = files(one), files(two)
    return a.keys() == b.keys() and all(torch.equal(a[n][e], b[n][e]) for n in a for e in a[n])
