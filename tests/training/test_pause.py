"""A paused run gives the model back, a stopped one does not wait for it, and neither loses anything."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from lib_ti.config.train import TrainConfig
from lib_ti.control import Control
from lib_ti.errors import GivenUp
from lib_ti.events import Event, Finished, Measured, Paused, PreviewReady, Resumed, Saved, Status, StepDone, Warned
from lib_ti.formats.files import load_embedding
from lib_ti.host import ModelInfo, SessionRequest
from lib_ti.training.plan import plan_training
from lib_ti.training.run import train
from tests.toy_host import ToyHost, ToySession

Settings = Callable[..., TrainConfig]


class BusyHost(ToyHost):
    """`open` tells whether somebody trains; whoever wants to waits until `free`. `chosen` is the name of its model."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.open, self.chosen = False, "toy"
        self.free = threading.Event()
        self.free.set()

    def model(self) -> ModelInfo:
        return replace(super().model(), name=self.chosen)

    @contextmanager
    def training_session(self, request: SessionRequest) -> Iterator[ToySession]:
        while not self.free.wait(0.01):
            if request.given_up():
                raise GivenUp("no longer wanted")
        self.open = True
        try:
            yield ToySession(self, request)
        finally:
            self.open = False


def run(host: BusyHost, config: TrainConfig, control: Control, on_pause: Callable[[], None]) -> list[Event]:
    """`on_pause` runs in another thread, as a user would press buttons, when the run pauses after its third step."""
    events: list[Event] = []

    def emit(event: Event) -> None:
        events.append(event)
        if isinstance(event, StepDone) and event.step == 3:
            control.pause()
        if isinstance(event, Paused):
            threading.Timer(0.3, on_pause).start()

    train(host, plan_training(host, config), emit, control)
    return events


def vectors(host: ToyHost) -> torch.Tensor:
    return load_embedding(host.embeddings_folder() / "foo.safetensors").vectors["clip_l"]


@pytest.fixture
def host(tmp_path: Path) -> BusyHost:
    return BusyHost(tmp_path)


def test_the_model_is_free_while_the_run_is_paused_and_the_result_is_the_same(
    tmp_path: Path, host: BusyHost, settings: Settings
) -> None:
    control, seen = Control(), []

    def others_turn() -> None:
        seen.append(host.open)
        control.resume()

    events = run(host, settings(), control, others_turn)
    assert seen == [False]
    assert isinstance(events[-1], Finished)
    plain = BusyHost(tmp_path / "plain")
    train(plain, plan_training(plain, settings()), lambda event: None, Control())
    assert torch.equal(vectors(host), vectors(plain))


def test_a_preview_asked_for_in_a_pause_takes_the_model_and_gives_it_back(host: BusyHost, settings: Settings) -> None:
    control, seen = Control(), []

    def ask() -> None:
        control.preview_now()
        control.save_now()
        threading.Timer(0.7, lambda: (seen.append(host.open), control.resume())).start()

    events = run(host, settings(save__every=0), control, ask)
    assert seen == [False]
    kinds = [type(event) for event in events if isinstance(event, (Paused, PreviewReady, Resumed))]
    assert kinds == [Paused, PreviewReady, Resumed]
    assert [event.step for event in events if isinstance(event, Saved) and event.kind == "copy"] == [3]


def test_another_model_keeps_the_run_paused_until_the_first_is_chosen_again(host: BusyHost, settings: Settings) -> None:
    control = Control()

    def choose() -> None:
        host.chosen = "another"
        control.resume()
        threading.Timer(0.5, choose_again).start()

    def choose_again() -> None:
        assert control.paused
        host.chosen = "toy"
        control.resume()

    events = run(host, settings(), control, choose)
    warnings = [event.text for event in events if isinstance(event, Warned)]
    assert any("for toy, but the model is another" in text and "Choose toy again" in text for text in warnings)
    assert events[-1] == Finished(12, host.embeddings_folder() / "foo.safetensors")


def test_stop_in_a_pause_saves_without_waiting_for_the_model(host: BusyHost, settings: Settings) -> None:
    control = Control()

    def stop() -> None:
        host.free.clear()
        control.stop()

    events = run(host, settings(), control, stop)
    assert events[-1] == Finished(3, host.embeddings_folder() / "foo.safetensors", stopped=True)
    assert load_embedding(host.embeddings_folder() / "foo.safetensors").step == 3


@pytest.mark.parametrize("waits", [True, False], ids=["in the queue", "while pictures are encoded"])
def test_stop_before_the_first_step_leaves_no_embedding(host: BusyHost, settings: Settings, waits: bool) -> None:
    control, events = Control(), []
    if waits:
        host.free.clear()

    def emit(event: Event) -> None:
        events.append(event)
        if isinstance(event, Status) and event.text.startswith("Waiting" if waits else "Encoding"):
            threading.Timer(0.1, control.stop).start() if waits else control.stop()

    train(host, plan_training(host, settings()), emit, control)
    assert events[-1] == Finished(0, None, stopped=True), "no page may say that it is saved"
    assert not (host.embeddings_folder() / "foo.safetensors").exists()
    assert not host.open


def test_stopped_in_a_pause_nothing_is_measured_without_the_model(
    tmp_path: Path, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    host, control = BusyHost(tmp_path), Control()
    predict = ToySession.predict

    def watched(self: ToySession, *rest: torch.Tensor) -> torch.Tensor:
        assert host.open, "the host has its model back, and moves it about"
        return predict(self, *rest)  # type: ignore[arg-type]

    monkeypatch.setattr(ToySession, "predict", watched)
    events = run(host, settings(measure__every=2, measure__best=True), control, control.stop)
    assert [event.step for event in events if isinstance(event, Measured)] == [0, 2]
    assert isinstance(events[-1], Finished)
    assert events[-1].stopped
    assert load_embedding(host.embeddings_folder() / "foo.safetensors").step == 2  # the best that was measured
