"""Create, train, stop, resume and use an embedding in the WebUI."""

import time
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from lib_ti.adapters.webui.options import options_set
from lib_ti.app import App
from lib_ti.errors import HostError
from lib_ti.host import SessionRequest
from lib_ti.jobs.job import Job
from tests.adapters.ldm.conftest import NAME, ROWS


def test_created_trained_stopped_resumed_and_used(
    app: App, settings: dict[str, Any], paint: Callable[..., np.ndarray]
) -> None:
    settings |= {"optim.steps": 30, "preview.every": 5, "preview.prompt": "a photo of [name]", "save.folder": ""}
    plain = paint(f"a photo of {NAME}")
    created = app.create({"name": NAME, "vectors": ROWS, "init": "red star"}).path
    assert np.array_equal(paint(f"a photo of {NAME}"), paint("a photo of red star"))

    job = app.start_training(settings)
    _wait_for(job, lambda: job.snapshot.step >= 6)
    job.control.stop()
    assert job.wait(300)
    assert job.snapshot.state == "stopped", job.snapshot
    assert 6 <= job.snapshot.step < 30
    halfway = paint(f"a photo of {NAME}")

    job = app.start_training({**settings, "embedding.resume": True})
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

    from lib_ti.host import ImageRequest

    with app.host.training_session(SessionRequest(NAME, ROWS)) as session:
        vectors = {e.name: app.host.token_vectors([320, 736], e.name) for e in app.host.model().encoders}
        with options_set(sd_model_checkpoint="another.safetensors"):
            assert session.preview(ImageRequest(f"a {NAME}", steps=1), vectors) is not None
            assert shared.opts.sd_model_checkpoint == "another.safetensors"
        session.check()


def test_interrupt_in_a_preview_ends_the_run_without_a_half_made_picture(app: App) -> None:
    from modules import script_callbacks, shared

    from lib_ti.host import ImageRequest

    def press(params: Any) -> None:
        shared.state.interrupt()

    with app.host.training_session(SessionRequest(NAME, ROWS)) as session:
        vectors = {e.name: app.host.token_vectors([320, 736], e.name) for e in app.host.model().encoders}
        script_callbacks.on_cfg_denoised(press)
        try:
            assert session.preview(ImageRequest(f"a {NAME}", steps=4), vectors) is None
        finally:
            script_callbacks.remove_callbacks_for_function(press)
        assert session.interrupted()
        assert session.preview(ImageRequest(f"a {NAME}", steps=1), vectors) is not None
        assert session.interrupted()


def _wait_for(job: Job, condition: Callable[[], bool]) -> None:
    end = time.monotonic() + 300
    while not condition():
        assert job.active, job.snapshot
        assert time.monotonic() < end
        time.sleep(0.05)
