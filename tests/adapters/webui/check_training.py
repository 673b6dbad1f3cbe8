"""Create, train, stop, resume and use an embedding in the WebUI."""

import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from lib_ti.adapters.webui.settings import options_set
from lib_ti.app import App
from lib_ti.config.embeddings import CreateConfig
from lib_ti.config.options import build_config
from lib_ti.config.train import TrainConfig
from lib_ti.control import Control
from lib_ti.errors import HostError
from lib_ti.events import Paused, PreviewReady, StepDone
from lib_ti.host import ImageRequest, SessionRequest
from lib_ti.jobs.job import Job
from tests.adapters.webui.conftest import NAME, ROWS


def test_created_trained_stopped_resumed_and_used(
    app: App, settings: dict[str, Any], paint: Callable[..., np.ndarray]
) -> None:
    settings |= {"optim.steps": 30, "preview.every": 5, "preview.prompt": "a photo of [name]", "save.folder": ""}
    plain = paint(f"a photo of {NAME}")
    created = app.create(CreateConfig(NAME, init="red star", vectors=ROWS)).path
    assert np.array_equal(paint(f"a photo of {NAME}"), paint("a photo of red star"))

    job = app.start_training(build_config(TrainConfig, settings))
    _wait_for(job, lambda: job.snapshot.step >= 6)
    job.control.stop()
    assert job.wait(300)
    assert job.snapshot.state == "stopped", job.snapshot
    assert 6 <= job.snapshot.step < 30
    halfway = paint(f"a photo of {NAME}")

    job = app.start_training(build_config(TrainConfig, {**settings, "embedding.resume": True}))
    assert job.wait(600)
    snapshot = job.snapshot
    assert (snapshot.state, snapshot.step) == ("finished", 30), snapshot
    assert [preview.step for preview in snapshot.previews] == [0, 5, 10, 15, 20, 25, 30]
    assert all(preview.path.is_file() for preview in snapshot.previews)
    pictures = [plain, halfway, paint(f"a photo of {NAME}")]
    assert not any(np.array_equal(pictures[i], pictures[j]) for i in range(3) for j in range(i))
    created.unlink()
    app.host.refresh_embeddings()
    assert np.array_equal(paint(f"a photo of {NAME}"), plain)


def test_other_jobs_wait_until_the_run_is_over(app: App) -> None:
    from modules import call_queue, shared

    with app.host.training_session(SessionRequest(NAME, ROWS)) as session:
        session.show_progress(3, 10)
        assert not call_queue.queue_lock.acquire(blocking=False)
        assert (shared.state.job, shared.state.job_no, shared.state.job_count) == (f"Train {NAME}", 3, 10)
    assert call_queue.queue_lock.acquire(blocking=False)
    call_queue.queue_lock.release()


def test_a_changed_checkpoint_is_noticed(app: App, sd_model: Any) -> None:
    from modules import sd_models

    with app.host.training_session(SessionRequest(NAME, ROWS)) as session:
        session.check()
        info = sd_model.sd_checkpoint_info
        sd_model.sd_checkpoint_info = sd_models.CheckpointInfo(info.filename)
        try:
            with pytest.raises(HostError, match="changed its model"):
                session.check()
        finally:
            sd_model.sd_checkpoint_info = info


def test_a_preview_keeps_the_model_though_another_is_chosen(app: App, sd_model: Any, settings: dict[str, Any]) -> None:
    """The WebUI loads the chosen checkpoint before each picture: under a run's feet, when the picture is a preview."""
    from modules import shared

    with app.host.training_session(SessionRequest(NAME, ROWS)) as session:
        vectors = {e.name: app.host.token_vectors([320, 736], e.name) for e in app.host.model().encoders}
        with options_set(sd_model_checkpoint="another.safetensors"):
            assert session.preview(ImageRequest(f"a {NAME}", steps=1), {NAME: vectors}) is not None
            assert shared.opts.sd_model_checkpoint == "another.safetensors"
        session.check()


def test_interrupt_in_a_preview_ends_the_run_without_a_half_made_picture(app: App) -> None:
    from modules import script_callbacks, shared

    def press(params: Any) -> None:
        shared.state.interrupt()

    with app.host.training_session(SessionRequest(NAME, ROWS)) as session:
        vectors = {e.name: app.host.token_vectors([320, 736], e.name) for e in app.host.model().encoders}
        script_callbacks.on_cfg_denoiser(press)
        try:
            assert session.preview(ImageRequest(f"a {NAME}", steps=4), {NAME: vectors}) is None
        finally:
            script_callbacks.remove_callbacks_for_function(press)
        assert session.interrupted()
        assert session.preview(ImageRequest(f"a {NAME}", steps=1), {NAME: vectors}) is not None
        assert session.interrupted()


def test_a_paused_run_lets_pictures_be_made_and_goes_on_as_if_nothing_had_happened(
    app: App, settings: dict[str, Any], paint: Callable[..., np.ndarray]
) -> None:
    from modules import call_queue, shared

    settings |= {"optim.steps": 6, "embedding.overwrite": True}
    app.start_training(build_config(TrainConfig, settings)).wait(300)
    plain = app.load_embedding(Path(settings["save.folder"]) / f"{NAME}.safetensors").vectors

    job = app.start_training(build_config(TrainConfig, {**settings, "optim.steps": 400}))
    _wait_for(job, lambda: job.snapshot.step >= 2)
    job.control.pause()
    _wait_for(job, lambda: job.snapshot.state == "paused")
    step = job.snapshot.step
    with call_queue.queue_lock:  # as the WebUI does for each picture
        assert shared.state.job == ""
        paint("a cat")
        shared.state.interrupt()  # meant for the picture, not for the run
    shared.state.interrupted = False
    assert (job.snapshot.state, job.snapshot.step) == ("paused", step)
    job.control.resume()
    _wait_for(job, lambda: job.snapshot.step > max(step, 6))
    assert not call_queue.queue_lock.acquire(blocking=False)
    job.control.stop()
    assert job.wait(60)
    assert job.snapshot.state == "stopped"

    def pause_once(event: Any) -> None:
        if isinstance(event, StepDone) and event.step == 3:
            control.pause()
        if isinstance(event, Paused):
            threading.Timer(0.5, paint_and_continue).start()

    def paint_and_continue() -> None:
        with call_queue.queue_lock:
            paint("a cat")
        control.resume()

    control = Control()
    path = app.train(build_config(TrainConfig, settings), pause_once, control)
    for name, vector in app.load_embedding(path).vectors.items():
        assert torch.equal(vector, plain[name])


def test_stop_ends_a_run_that_waits_for_the_queue_and_keeps_the_place_of_others(
    app: App, settings: dict[str, Any]
) -> None:
    from modules import call_queue

    call_queue.queue_lock.acquire()
    try:
        job = app.start_training(build_config(TrainConfig, {**settings, "embedding.overwrite": True}))
        _wait_for(job, lambda: job.snapshot.status == "Waiting for the model")
        job.control.stop()
        assert job.wait(5)
        assert job.snapshot.state == "stopped"
    finally:
        call_queue.queue_lock.release()
    with call_queue.queue_lock:  # the place that was given up does not hold anybody up
        pass


def test_a_picture_is_made_with_an_expression(app: App) -> None:
    def picture(prompt: str) -> bytes:
        return app.generate(ImageRequest(prompt, steps=1, sampler="Euler", width=64, height=64)).tobytes()

    assert picture("a photo of <'red star'>") == picture("a photo of red star")
    assert picture("a photo of <'red' + 'star'>") != picture("a photo of red star")


def test_the_webui_shows_how_far_the_run_is(app: App, settings: dict[str, Any]) -> None:
    from modules import shared

    seen = []

    def listen(event: Any) -> None:
        if isinstance(event, (StepDone, PreviewReady)):
            seen.append((shared.state.job, shared.state.job_no, shared.state.job_count, shared.state.textinfo))
        if isinstance(event, PreviewReady):
            previews.append(shared.state.current_image.size)

    previews: list[tuple[int, int]] = []
    config = build_config(TrainConfig, {**settings, "embedding.overwrite": True, "preview.every": 2})
    app.train(config, listen, Control())
    assert previews == [(64, 64)] * 3
    # An event comes before the bar moves on.
    assert (f"Train {NAME}", 3, 4, "Training step 3 of 4") in seen
    assert shared.state.job == ""


def _wait_for(job: Job, condition: Callable[[], bool]) -> None:
    end = time.monotonic() + 300
    while not condition():
        assert job.active, job.snapshot
        assert time.monotonic() < end
        time.sleep(0.05)
