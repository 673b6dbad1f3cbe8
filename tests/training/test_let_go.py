"""However a job ends, a user would lose the memory that it goes on holding: the model, the latents, the vectors."""

from __future__ import annotations

import gc
import logging
import weakref
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

from lib_ti.app import App
from lib_ti.config.train import TrainConfig
from lib_ti.control import Control
from lib_ti.errors import GivenUp, HostError, TIError, TrainingFailed
from lib_ti.events import Emit, Event, StepDone
from lib_ti.jobs.job import Job
from lib_ti.training.latents import CachedPicture
from lib_ti.training.update import Trainee
from tests.toy_host import ToyHost, ToySession

Ending = Callable[[ToySession, int], None]
"""What becomes of an update, by its number."""

SOON = 60.0


class Session(ToySession):
    """As large as a model, and held by itself, as modules with hooks are."""

    def __init__(self, host: Host, *args: Any) -> None:
        super().__init__(host, *args)
        self.weights, self.itself, self.ending = torch.zeros(1000), self, host.ending
        host.seen.append(weakref.ref(self))

    def predict(self, *args: Any) -> torch.Tensor:
        self.ending(self, self.host.predictions)
        return super().predict(*args)

    def check(self) -> None:
        self.ending(self, -1)


class Host(ToyHost):
    def __init__(self, folder: Path, ending: Ending) -> None:
        super().__init__(folder)
        self.ending, self.seen = ending, list[weakref.ref[Any]]()

    def training_session(self, request: Any) -> Any:
        from contextlib import contextmanager

        @contextmanager
        def session() -> Iterator[Session]:
            yield Session(self, request)

        return session()


def goes_well(session: ToySession, number: int) -> None:
    pass


def fails(error: Callable[[], BaseException]) -> Ending:
    def ending(session: ToySession, number: int) -> None:
        latents = torch.zeros(500)  # what a frame holds
        if number == 3:
            raise error() from TIError(f"a cause of its own, {latents.shape}")

    return ending


def fails_twice(session: ToySession, number: int) -> None:
    latents = torch.zeros(500)
    if number == 3:
        try:
            raise RuntimeError(f"the first, {latents.shape}")
        except RuntimeError as error:
            error.itself = error  # type: ignore[attr-defined]
            raise KeyError("while it was handled")  # noqa: B904 - as it happens in bugs


ENDINGS: dict[str, tuple[Ending, str]] = {
    "finished": (goes_well, "finished"),
    "host": (fails(lambda: HostError("no")), "failed"),
    "training": (fails(lambda: TrainingFailed("no")), "failed"),
    "given up": (fails(lambda: GivenUp("no")), "stopped"),
    "memory": (fails(lambda: RuntimeError("CUDA out of memory.")), "failed"),
    "bug": (fails(lambda: IndexError("no")), "failed"),
    "bug in a bug": (fails_twice, "failed"),
    "exit": (fails(lambda: SystemExit(1)), "failed"),
    "interrupt": (fails(KeyboardInterrupt), "failed"),
}


def tensors() -> int:
    gc.collect()
    return sum(issubclass(type(thing), torch.Tensor) for thing in gc.get_objects())


@pytest.fixture
def watched(monkeypatch: pytest.MonkeyPatch) -> list[weakref.ref[Any]]:
    """Of each vector in training and each cached picture."""
    seen: list[weakref.ref[Any]] = []
    for kind in (Trainee, CachedPicture):
        original = kind.__init__

        def init(self: Any, *args: Any, _original: Any = original, **kwargs: Any) -> None:
            _original(self, *args, **kwargs)
            seen.append(weakref.ref(self))

        monkeypatch.setattr(kind, "__init__", init)
    return seen


def run(host: Host, config: TrainConfig, stop: bool = False) -> Job:
    app = App(host)
    original = app.train

    def train(run: Any, emit: Emit, control: Control) -> Path:
        def listen(event: Event) -> None:
            emit(event)
            if stop and isinstance(event, StepDone):
                control.stop()

        return original(run, listen, control)

    app.train = train  # type: ignore[method-assign]
    job = app.start_training(config)
    assert job.wait(SOON)
    return job


@pytest.mark.parametrize("name", [*ENDINGS, "stopped"])
def test_a_run_lets_go_of_model_latents_and_vectors_however_it_ends(
    name: str,
    tmp_path: Path,
    settings: Callable[..., TrainConfig],
    watched: list[weakref.ref[Any]],
    caplog: pytest.LogCaptureFixture,
) -> None:
    ending, state = ENDINGS.get(name, (goes_well, "stopped"))
    run(Host(tmp_path / "first", goes_well), settings())  # what torch itself makes once
    watched.clear()
    host = Host(tmp_path / "second", ending)
    before = tensors()
    with caplog.at_level(logging.ERROR):  # keeps the records, as some hosts' logs do
        job = run(host, settings(), stop=name == "stopped")
    alive = [found() for found in [*host.seen, *watched] if found() is not None]
    assert job.snapshot.state == state
    assert len(watched) >= 6, "the vectors and five pictures were there"
    assert alive == []
    assert tensors() <= before
