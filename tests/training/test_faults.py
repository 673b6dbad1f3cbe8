"""A user would lose: hours of training, to a full disk, a picture that failed, or one step too far."""

import errno
import os
import shutil
import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from lib_ti import atomic
from lib_ti.control import Control
from lib_ti.embedding.embedding import Embedding
from lib_ti.errors import HostError, InvalidConfig, NothingLeft, TIError, TrainingFailed
from lib_ti.events import Event, Finished, Paused, Planned, PreviewReady, Resumed, Saved, StepDone, Warned
from lib_ti.formats.files import load_embedding, save_embedding
from lib_ti.host import ModelInfo
from lib_ti.training.log import read_losses
from lib_ti.training.plan import plan_training
from lib_ti.training.start import find_start
from lib_ti.training.state import load_state, save_state, state_path
from tests.toy_host import ToyHost, ToySession
from tests.training.runs import Settings, final_vectors, run, same, stop_at


@pytest.fixture(autouse=True)
def quick_retries(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lib_ti.training.run.RETRY_SECONDS", 0.02)


# A step too far


@pytest.mark.parametrize(
    "changes",
    [{"optim__lr": "0.01:3, 1e38"}, {"optim__lr": "0.01:3, 1e300"}, {}],
    ids=["rate", "higher rate", "gradient"],
)
def test_a_step_that_makes_no_numbers_is_undone_and_the_run_ends_with_those_before(
    tmp_path: Path, settings: Settings, monkeypatch: pytest.MonkeyPatch, changes: dict[str, Any]
) -> None:
    good, host = ToyHost(tmp_path / "good"), ToyHost(tmp_path / "spoiled")
    run(good, settings(**changes | {"optim__lr": "0.01", "optim__steps": 3}))
    if "optim__lr" not in changes:
        monkeypatch.setattr("lib_ti.training.update.accumulate_gradient", _huge_gradient_at(4))
    with pytest.raises(TrainingFailed, match=r"update 4 .*undone"):
        run(host, settings(**changes))
    assert same(final_vectors(host), final_vectors(good))
    path = host.embeddings_folder() / "foo.safetensors"
    assert load_embedding(path).step == 3
    moments = load_state(state_path(path)).moments
    assert all(bool(tensor.isfinite().all()) for one in moments.values() for tensor in one.values())


def _huge_gradient_at(step: int) -> Callable[..., torch.Tensor]:
    from lib_ti.training.update import accumulate_gradient

    calls = iter(range(1, 100))

    def accumulate(session: Any, vectors: Any, *args: Any) -> torch.Tensor:
        loss = accumulate_gradient(session, vectors, *args)
        if next(calls) == step:
            vectors["foo"]["clip_l"].grad[0, 0] = 1e30  # a number, but its square is more than one
        return loss

    return accumulate


def test_an_epsilon_of_zero_ends_the_run_at_a_row_that_nothing_moves(tmp_path: Path, settings: Settings) -> None:
    """0 / 0: no sample of the data set reaches the row's last number."""
    host = ToyHost(tmp_path)
    host.mix[-1] = 0
    host.mix[:, -1] = 0
    host.look[-1] = 0
    with pytest.raises(TrainingFailed, match=r"update 1 .*undone"):
        run(host, settings(optim__epsilon=0.0))
    assert not (host.embeddings_folder() / "foo.safetensors").exists(), "nothing was learned"


# A picture that fails


@pytest.mark.parametrize(
    "failure", [HostError("no such sampler"), RuntimeError("CUDA out of memory"), KeyError("an extension's bug")]
)
def test_a_preview_that_fails_is_told_and_the_run_goes_on(
    tmp_path: Path, settings: Settings, monkeypatch: pytest.MonkeyPatch, failure: Exception
) -> None:
    good, host, control = ToyHost(tmp_path / "good"), ToyHost(tmp_path / "failing"), Control()
    run(good, settings())

    def fail(*args: Any) -> None:
        raise failure

    monkeypatch.setattr(ToySession, "preview", fail)

    def ask(event: Event) -> None:
        if isinstance(event, StepDone) and event.step == 5:
            control.preview_now()

    events = run(host, settings(preview__every=4), control, ask)
    assert isinstance(events[-1], Finished)
    told = [event.text for event in events if isinstance(event, Warned) and "preview" in event.text]
    assert [text.split()[4] for text in told] == ["0", "4", "5", "8", "12"]
    assert all(str(failure.args[0]) in text for text in told)
    assert same(final_vectors(host), final_vectors(good))


# A disk that is full


class Disk:
    """Refuses to write into `full` folders, by their place in a path."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.full: list[Path] = []
        self.refused = 0
        write = atomic.write_atomically

        def refuse(path: Path, data: bytes) -> None:
            if any(path.is_relative_to(folder) for folder in self.full):
                self.refused += 1
                raise TIError("The file could not be written: No space left on device.", where=str(path))
            write(path, data)

        for user in ("formats.files", "training.state", "training.preview", "training.run", "training.log"):
            monkeypatch.setattr(f"lib_ti.{user}.write_atomically", refuse)


@pytest.fixture
def disk(monkeypatch: pytest.MonkeyPatch) -> Disk:
    return Disk(monkeypatch)


def test_a_disk_that_is_full_for_a_moment_pauses_the_run_and_costs_nothing(
    tmp_path: Path, settings: Settings, disk: Disk
) -> None:
    good, host = ToyHost(tmp_path / "good"), ToyHost(tmp_path / "full")
    run(good, settings())
    paused: list[Paused] = []

    def listen(event: Event) -> None:
        if isinstance(event, StepDone) and event.step == 7:
            disk.full = [host.folder]
        if isinstance(event, Paused):
            paused.append(event)
            threading.Timer(0.2, disk.full.clear).start()

    events = run(host, settings(), Control(), listen)
    assert [(event.step, "No space left" in event.reason) for event in paused] == [(8, True)], (
        "told once, not every time"
    )
    assert disk.refused > 2
    assert sum(isinstance(event, Resumed) for event in events) == 1
    assert isinstance(events[-1], Finished)
    assert events[-1].step == 12
    assert same(final_vectors(host), final_vectors(good))
    assert len([event for event in events if isinstance(event, Saved) and event.kind == "copy"]) == 3


def test_the_end_of_a_run_waits_for_room_too(tmp_path: Path, settings: Settings, disk: Disk) -> None:
    """With copies off there is nothing else of all the steps."""
    good, host = ToyHost(tmp_path / "good"), ToyHost(tmp_path / "full")
    run(good, settings(save__every=0))

    def listen(event: Event) -> None:
        if isinstance(event, StepDone) and event.step == 12:
            disk.full = [host.embeddings_folder()]
        if isinstance(event, Paused):
            disk.full = []

    events = run(host, settings(save__every=0), Control(), listen)
    assert any(isinstance(event, Paused) for event in events)
    assert isinstance(events[-1], Finished)
    assert same(final_vectors(host), final_vectors(good))


@pytest.mark.parametrize("log_too", [False, True], ids=["into the log folder", "into a temporary folder"])
def test_stopped_for_want_of_room_the_vectors_go_where_there_is_some_and_the_message_says_where(
    tmp_path: Path, settings: Settings, disk: Disk, monkeypatch: pytest.MonkeyPatch, log_too: bool
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "temporary"))
    (tmp_path / "temporary").mkdir()
    good, host, control = ToyHost(tmp_path / "good"), ToyHost(tmp_path / "full"), Control()
    run(good, settings(save__every=0))

    def listen(event: Event) -> None:
        if isinstance(event, StepDone) and event.step == 12:
            disk.full = [host.folder] if log_too else [host.embeddings_folder()]
        if isinstance(event, Paused):
            control.stop()

    with pytest.raises(TrainingFailed) as failure:
        run(host, settings(save__every=0), control, listen)
    assert "No space left" in failure.value.message
    place = tmp_path / "temporary" if log_too else host.log_folder()
    (saved,) = place.rglob("*.safetensors")
    assert str(saved) in failure.value.hint
    assert same(dict(load_embedding(saved).vectors), final_vectors(good))
    disk.full = []
    if log_too:
        for file in saved.parent.iterdir():
            host.embeddings_folder().mkdir(exist_ok=True)
            shutil.move(file, host.embeddings_folder())
    run(host, settings(embedding__resume=True, optim__steps=14))
    run(good, settings(embedding__resume=True, optim__steps=14))
    assert same(final_vectors(host), final_vectors(good))


def test_a_failed_run_that_cannot_be_saved_in_its_place_still_tells_why_it_failed(
    tmp_path: Path, settings: Settings, disk: Disk
) -> None:
    host = ToyHost(tmp_path)
    host.spoil_at = 9
    events: list[Event] = []

    def listen(event: Event) -> None:
        events.append(event)
        if isinstance(event, StepDone):
            disk.full = [host.embeddings_folder()]

    with pytest.raises(TrainingFailed, match="loss became nan"):
        run(host, settings(save__every=0, optim__batch_size=1), Control(), listen)
    (saved,) = host.log_folder().rglob("*.safetensors")
    assert load_embedding(saved).step == 8
    assert any(str(saved) in event.text for event in events if isinstance(event, Warned))


def test_continue_tries_at_once_and_the_model_is_free_meanwhile(
    tmp_path: Path, settings: Settings, disk: Disk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("lib_ti.training.run.RETRY_SECONDS", 600.0)
    host, control = ToyHost(tmp_path), Control()

    def mended() -> None:
        disk.full = []
        control.resume()

    def listen(event: Event) -> None:
        if isinstance(event, StepDone) and event.step == 3:
            disk.full = [host.log_folder()]
        if isinstance(event, Paused):
            threading.Timer(0.2, mended).start()

    events = run(host, settings(), control, listen)
    assert isinstance(events[-1], Finished)
    assert not control.paused


def test_losses_that_cannot_be_written_down_do_not_end_the_run(
    tmp_path: Path, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    host = ToyHost(tmp_path)

    def full(*args: Any) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr("lib_ti.training.log.LossTable.add", full)
    monkeypatch.setattr("lib_ti.training.run.save_loss_plot", full)
    events = run(host, settings())
    assert isinstance(events[-1], Finished)
    told = [event.text for event in events if isinstance(event, Warned) and "No space left" in event.text]
    assert len(told) == 2


# An embedding that is there


def test_overwrite_and_stop_in_the_first_preview_leaves_the_trained_file(
    tmp_path: Path, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    host, control = ToyHost(tmp_path), Control()
    run(host, settings())
    path = host.embeddings_folder() / "foo.safetensors"
    before, state = path.read_bytes(), state_path(path).read_bytes()

    def listen(event: Event) -> None:
        if isinstance(event, PreviewReady) and event.step == 0:
            control.stop()

    events = run(host, settings(embedding__overwrite=True, preview__every=2), control, listen)
    assert events[-1] == Finished(0, None, stopped=True)
    assert path.read_bytes() == before
    assert state_path(path).read_bytes() == state


def test_a_run_that_was_cut_off_between_its_last_copy_and_its_end_is_finished_by_resume(
    tmp_path: Path, settings: Settings
) -> None:
    host = ToyHost(tmp_path)
    run(host, settings())
    whole = final_vectors(host)
    path = host.embeddings_folder() / "foo.safetensors"
    path.unlink()
    state_path(path).unlink()
    events = run(host, settings(embedding__resume=True))
    assert not any(isinstance(event, StepDone) for event in events)
    assert events[-1] == Finished(12, path)
    assert same(final_vectors(host), whole)


def test_resume_of_a_finished_run_says_so_and_no_more(tmp_path: Path, settings: Settings) -> None:
    host = ToyHost(tmp_path)
    run(host, settings())
    with pytest.raises(NothingLeft, match="finished"):
        run(host, settings(embedding__resume=True))
    run(host, settings(embedding__overwrite=True, optim__lr="0.01:6"))
    with pytest.raises(NothingLeft):
        run(host, settings(embedding__resume=True, optim__lr="0.01:6"))
    with pytest.raises(InvalidConfig) as refused:  # but who gives other rates wants something of them
        run(host, settings(embedding__resume=True, optim__lr="0.02:5"))
    assert not isinstance(refused.value, NothingLeft)


# What a resumed run is told


def warnings(host: ToyHost, config: Any) -> list[str]:
    return list(plan_training(host, config).start.warnings)


def test_resume_with_other_settings_says_which(tmp_path: Path, settings: Settings) -> None:
    host, control = ToyHost(tmp_path), Control()
    run(host, settings(), control, stop_at(5, control))
    assert warnings(host, settings(embedding__resume=True, optim__steps=30, run__seed=-1)) == []
    changed = settings(embedding__resume=True, optim__lr="0.02", optim__batch_size=3, run__seed=8, run__clip_skip=2)
    told = " ".join(warnings(host, changed))
    for part in (
        "Embedding Learning rate was '0.01' and is '0.02'",
        "Batch size was 2 and is 3",
        "Clip skip",
        "seed 8",
    ):
        assert part in told


class NamelessHost(ToyHost):
    """Started with --no-hashing."""

    def model(self) -> ModelInfo:
        return replace(super().model(), short_hash="")


@pytest.mark.parametrize("without_state", [False, True])
def test_resume_on_another_model_is_told_where_no_hash_is_known(
    tmp_path: Path, settings: Settings, without_state: bool
) -> None:
    host, control = NamelessHost(tmp_path), Control()
    run(host, settings(save__every=0), control, stop_at(5, control))
    if without_state:
        state_path(host.embeddings_folder() / "foo.safetensors").unlink()
    again = settings(embedding__resume=True)
    assert not any("another vocabulary" in text for text in warnings(host, again))
    other = NamelessHost(tmp_path)
    other.tables = {name: table + 1 for name, table in host.tables.items()}
    assert any("another vocabulary" in text for text in warnings(other, again))


# States are believed only as far as they go


def test_a_state_cannot_make_a_run_write_outside_the_log_folder(tmp_path: Path, settings: Settings) -> None:
    host, control = ToyHost(tmp_path / "host"), Control()
    run(host, settings(), control, stop_at(5, control))
    elsewhere = tmp_path / "elsewhere" / "2026-01-01" / "foo"
    elsewhere.mkdir(parents=True)
    for evil in (str(elsewhere), "../../elsewhere/2026-01-01/foo", "", "/", "..", "2026-01-01/.."):
        for file in host.folder.rglob("*.state"):
            save_state(file, replace(load_state(file), folder=evil))
        start = find_start(host, settings(embedding__resume=True))
        assert start.state.step == 5
        assert start.folder.root.is_relative_to(host.log_folder())
        assert start.folder.root.parent.parent == host.log_folder()


def test_a_run_that_was_copied_goes_on_in_the_copy(tmp_path: Path, settings: Settings) -> None:
    host, control = ToyHost(tmp_path / "first"), Control()
    run(host, settings(), control, stop_at(5, control))
    shutil.copytree(tmp_path / "first", tmp_path / "second")
    before = {path: path.read_bytes() for path in (tmp_path / "first").rglob("*") if path.is_file()}
    copy = ToyHost(tmp_path / "second")
    events = run(copy, settings(embedding__resume=True))
    assert {path: path.read_bytes() for path in (tmp_path / "first").rglob("*") if path.is_file()} == before
    (folder,) = {event.run_folder for event in events if isinstance(event, Planned)}
    assert len(read_losses(folder / "textual_inversion_loss.csv")) == 12


def test_an_embedding_of_the_wrong_case_does_not_stop_the_others_runs(tmp_path: Path, settings: Settings) -> None:
    """The name as the file has it goes on with it."""
    host = ToyHost(tmp_path)
    path = host.embeddings_folder() / "Foo.safetensors"
    save_embedding(Embedding("Foo", {"clip_l": torch.randn(2, 6)}, family="sd1"), path)
    with pytest.raises(InvalidConfig, match="same word"):
        plan_training(host, settings())
    path.rename(path.with_name("bar.safetensors"))
    plan_training(host, settings())


def test_a_damaged_state_is_told_and_the_next_older_copy_taken(tmp_path: Path, settings: Settings) -> None:
    host, whole = ToyHost(tmp_path / "host"), ToyHost(tmp_path / "whole")
    run(host, settings())
    run(whole, settings())
    (host.embeddings_folder() / "foo.safetensors").unlink()
    state_path(host.embeddings_folder() / "foo.safetensors").write_bytes(b"")
    newest = max(host.log_folder().rglob("foo-12.state"))
    newest.write_bytes(newest.read_bytes()[:-100])
    start = find_start(host, settings(embedding__resume=True))
    assert start.state.step == 8
    assert [text.split()[0] for text in start.warnings] == ["foo.safetensors.state", "foo-12.state"]
    run(host, settings(embedding__resume=True))
    assert same(final_vectors(host), final_vectors(whole))


def test_stopped_for_want_of_room_no_picture_is_made_with_a_model_that_was_given_back(
    tmp_path: Path, settings: Settings, disk: Disk
) -> None:
    host, control = ToyHost(tmp_path), Control()

    def listen(event: Event) -> None:
        if isinstance(event, StepDone) and event.step == 8:
            disk.full = [host.log_folder()]
        if isinstance(event, Paused):
            control.stop()

    events = run(host, settings(preview__every=8), control, listen)
    assert isinstance(events[-1], Finished)
    assert load_embedding(host.embeddings_folder() / "foo.safetensors").step == 8
    assert [event.step for event in events if isinstance(event, PreviewReady)] == [0]
    assert not any("preview" in event.text for event in events if isinstance(event, Warned))
