"""A user would lose: a curve that can be read, the best vectors of a run, and its end in time."""

import csv
from pathlib import Path

import pytest
import torch

from lib_ti.config.train import MeasurePart
from lib_ti.control import Control
from lib_ti.errors import HostError, NothingLeft
from lib_ti.events import Finished, Judged, Measured, Saved, StepDone, Warned
from lib_ti.formats.files import load_embedding
from lib_ti.host import PictureSize, SessionRequest
from lib_ti.training.measure import SHARE, held_out_count, likeness_of_context, steps_between
from lib_ti.training.plan import plan_training
from lib_ti.training.start import find_start
from lib_ti.training.state import load_state, state_path
from lib_ti.training.verdict import best_of
from tests.toy_host import ToyHost
from tests.training.runs import Settings, final_vectors, run, same, stop_at

SIZE = PictureSize(64, 64, 0, 0, 64, 64)
# A rate far too high for the toy after its first stage: the best is not the last.
WORSENS = {"optim__lr": "0.05:20, 30:40", "measure__every": 10, "measure__best": True, "optim__steps": 40}
CYCLES = {"optim__lr": "0.1r cosine:30, 1e-6r cosine:40, 0.1r cosine:60", "optim__steps": 60, "measure__end": True}


def measured(events: list[object]) -> list[Measured]:
    return [event for event in events if isinstance(event, Measured)]


def test_measuring_changes_nothing_of_the_training(tmp_path: Path, settings: Settings) -> None:
    plain, watched = ToyHost(tmp_path / "plain"), ToyHost(tmp_path / "watched")
    run(plain, settings())
    events = run(watched, settings(measure__every=3))
    assert same(final_vectors(plain), final_vectors(watched))
    assert [event.step for event in measured(events)] == [0, 3, 6, 9, 12]


def test_the_same_vectors_measure_the_same_and_better_ones_lower(tmp_path: Path, settings: Settings) -> None:
    """The losses of updates fall by chance; these by learning alone."""
    found = [
        measured(run(ToyHost(tmp_path / str(n)), settings(measure__every=20, optim__lr="0.05", optim__steps=60)))
        for n in range(2)
    ]
    assert found[0] == found[1]
    losses = [event.loss for event in found[0]]
    assert losses == sorted(losses, reverse=True)
    assert found[0][-1].best_step == 60


def test_the_measurements_are_written_down(tmp_path: Path, settings: Settings) -> None:
    events = run(ToyHost(tmp_path), settings(measure__every=4))
    table = next((tmp_path / "log").glob("*/*/measurements.csv"))
    rows = list(csv.DictReader(table.open(encoding="utf-8")))
    assert [(int(row["step"]), float(row["loss"])) for row in rows] == [
        (event.step, pytest.approx(event.loss, abs=1e-6)) for event in measured(events)
    ]


def test_the_best_becomes_the_embedding_and_the_last_stays_as_a_copy(tmp_path: Path, settings: Settings) -> None:
    host = ToyHost(tmp_path)
    events = run(host, settings(**WORSENS))
    best = min(measured(events), key=lambda event: event.score).step
    assert best < 40
    path = host.embeddings_folder() / "foo.safetensors"
    assert load_embedding(path).step == best
    state = load_state(state_path(path))
    assert same(dict(state.best), final_vectors(host))
    assert (state.step, best_of(state.measured).step) == (40, best)
    copy = next(event.path for event in reversed(events) if isinstance(event, Saved) and event.kind == "copy")
    assert load_embedding(copy).step == 40
    assert same(dict(load_embedding(copy).vectors), dict(state.vectors))


def test_without_keep_the_best_the_last_is_the_embedding(tmp_path: Path, settings: Settings) -> None:
    host = ToyHost(tmp_path)
    run(host, settings(**WORSENS | {"measure__best": False}))
    assert load_embedding(host.embeddings_folder() / "foo.safetensors").step == 40


def test_a_run_whose_file_holds_the_best_goes_on_from_the_last(tmp_path: Path, settings: Settings) -> None:
    host, whole = ToyHost(tmp_path / "halves"), ToyHost(tmp_path / "whole")
    run(host, settings(**WORSENS))
    longer = WORSENS | {"optim__lr": "0.05:20, 30:40, 0.01", "optim__steps": 60}
    start = find_start(host, settings(**longer, embedding__resume=True))
    assert (start.state.step, start.saved) == (40, True)
    events = run(host, settings(**longer, embedding__resume=True))
    assert [event.step for event in measured(events)] == [50, 60]
    run(whole, settings(**longer))
    assert same(final_vectors(host), final_vectors(whole))


def test_a_run_ends_with_the_first_stage_that_adds_little(tmp_path: Path, settings: Settings) -> None:
    host = ToyHost(tmp_path)
    events = run(host, settings(**CYCLES))
    assert [event.step for event in measured(events)] == [0, 30, 40]
    assert events[-1] == Finished(40, host.embeddings_folder() / "foo.safetensors")
    assert [event.kind for event in events if isinstance(event, Judged)] == ["settled"]


def test_resuming_what_ended_by_itself_has_nothing_left_but_another_stage_goes_on(
    tmp_path: Path, settings: Settings
) -> None:
    host = ToyHost(tmp_path)
    run(host, settings(**CYCLES))
    with pytest.raises(NothingLeft, match="ended by itself at step 40"):
        run(host, settings(**CYCLES, embedding__resume=True))
    more = CYCLES | {"optim__lr": "0.1r cosine:30, 1e-6r cosine:40, 0.2r cosine:55", "embedding__resume": True}
    assert [event.step for event in run(host, settings(**more)) if isinstance(event, StepDone)][-1] == 55


def test_stopped_and_resumed_measures_and_ends_as_if_it_had_not_been(tmp_path: Path, settings: Settings) -> None:
    host, whole = ToyHost(tmp_path / "halves"), ToyHost(tmp_path / "whole")
    control = Control()
    changes = CYCLES | {"measure__every": 7, "measure__best": True}
    run(host, settings(**changes), control, stop_at(25, control))
    run(host, settings(**changes, embedding__resume=True))
    run(whole, settings(**changes))
    assert same(final_vectors(host), final_vectors(whole))
    kept = [load_state(state_path(one.embeddings_folder() / "foo.safetensors")) for one in (host, whole)]
    assert [one for one in kept[0].measured if one.step != 25] == list(kept[1].measured)


def test_held_out_pictures_are_never_trained_on(
    tmp_path: Path, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    from lib_ti.training import run as loop

    prompts: set[str] = set()
    update = loop.take_update

    def watched(session: object, trainee: object, samples: list[object], *rest: object) -> float:
        prompts.update(sample.prompt for sample in samples)  # type: ignore[attr-defined]
        return update(session, trainee, samples, *rest)  # type: ignore[arg-type]

    monkeypatch.setattr(loop, "take_update", watched)
    host = ToyHost(tmp_path)
    config = settings(measure__every=5, measure__held_out=2, optim__steps=30)
    plan = plan_training(host, config)
    held = [picture.caption for picture in plan.dataset.held_out]
    assert len(held) == 2
    assert any(line.startswith("Measured: 6 times, 24 fixed samples of 2 pictures held out") for line in plan.lines())
    events = run(host, config)
    assert not any(caption in prompt for caption in held for prompt in prompts)
    assert all(event.held_out for event in measured(events))
    trained = {picture.caption for picture in plan.dataset.pictures} - set(held)
    assert all(any(caption in prompt for prompt in prompts) for caption in trained)


def test_as_often_as_takes_a_twentieth_of_the_work() -> None:
    part = MeasurePart(every=-1, samples=24)
    for images in (1, 4, 15):
        every = steps_between(part, images)
        assert part.samples / 2 / (every * images) <= SHARE < part.samples / 2 / (max(1, every - 1) * images) + 1e-3
    assert steps_between(MeasurePart(every=7), 1) == 7
    assert steps_between(MeasurePart(), 1) == 0
    assert steps_between(MeasurePart(end=True, best=True), 1) == 0  # at the ends of stages
    assert steps_between(MeasurePart(best=True), 1) == steps_between(MeasurePart(every=-1), 1)


def test_pictures_are_held_out_where_there_are_enough() -> None:
    by_itself = MeasurePart(every=-1)
    assert [held_out_count(by_itself, count) for count in (1, 8, 15, 16, 40, 1000)] == [0, 0, 0, 2, 5, 8]
    assert held_out_count(MeasurePart(), 100) == 0
    assert held_out_count(MeasurePart(every=5, held_out=9), 4) == 3


@pytest.mark.parametrize("family", ["sd1", "sdxl"])
def test_other_words_say_the_same_beside_the_same_vectors_and_less_beside_long_ones(
    tmp_path: Path, settings: Settings, family: str
) -> None:
    """What a prompt's other words lose is what CoRe measures; the toy's encoder mixes the whole prompt into each word."""
    host = ToyHost(tmp_path, family)
    rows = {name: torch.ones(2, width) * 0.1 for name, width in host.widths.items()}
    with host.training_session(SessionRequest("foo", 2)) as session:
        likeness = [
            likeness_of_context(
                *(session, "foo", SIZE), {"foo": {name: v * scale for name, v in rows.items()}}, {"foo": rows}
            )
            for scale in (1, 5, 200)
        ]
    assert None not in likeness
    assert likeness[0] == pytest.approx(1.0)
    assert likeness == sorted(likeness, reverse=True)  # type: ignore[type-var]
    assert len(set(likeness)) == 3


def test_a_verdict_that_fails_is_told_and_the_run_is_finished(
    tmp_path: Path, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The embedding is saved by then: nobody should be told that the run has failed."""
    from lib_ti.training import run as loop

    def failing(*rest: object) -> float:
        raise HostError("The text encoder is gone.")

    monkeypatch.setattr(loop, "kept_of_context", failing)
    events = run(ToyHost(tmp_path), settings(measure__every=4))
    assert isinstance(events[-1], Finished)
    assert any(isinstance(event, Warned) and "The verdict failed" in event.text for event in events)
