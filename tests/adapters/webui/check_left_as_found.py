"""Whatever ends a run, the WebUI is as it was: its model, its settings, its embeddings, its pictures."""

from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from lib_ti.adapters.webui.model import networks_of
from lib_ti.app import App
from lib_ti.config.options import build_config
from lib_ti.config.train import TrainConfig
from lib_ti.control import Control
from lib_ti.errors import HostError
from lib_ti.events import Event, Finished, StepDone
from lib_ti.host import PictureSize, SessionRequest
from lib_ti.training.plan import plan_training
from lib_ti.training.run import train
from tests.adapters.webui.conftest import NAME, ROWS, differences, state_of


@pytest.mark.parametrize("ending", ["success", "stop", "interrupt", "bug", "error"])
def test_state_is_as_before(
    app: App, sd_model: Any, settings: dict[str, Any], paint: Callable[..., np.ndarray], ending: str
) -> None:
    from modules import shared

    settings |= {"preview.every": 2, "run.clip_skip": 2, "run.checkpointing": True}
    control, ends = Control(), []

    def emit(event: Event) -> None:
        if isinstance(event, Finished):
            ends.append((event.step, event.stopped))
        if isinstance(event, StepDone) and event.step == 2:
            match ending:
                case "stop":
                    control.stop()
                case "interrupt":
                    shared.state.interrupt()
                case "bug":
                    raise ZeroDivisionError
                case "error":
                    raise HostError("As where the model is another by now.")

    picture = paint("a photo of a cat")
    before = state_of(sd_model)
    errors = {"bug": ZeroDivisionError, "error": HostError}
    with pytest.raises(errors[ending]) if ending in errors else nullcontext():
        train(app.host, plan_training(app.host, build_config(TrainConfig, settings)), emit, control)
    assert differences(before, state_of(sd_model)) == []
    assert np.array_equal(paint("a photo of a cat", seed=1), picture)
    assert ends == {"success": [(4, False)], "stop": [(2, True)], "interrupt": [(2, True)]}.get(ending, [])


def test_a_pair_learns_together_and_leaves_nothing_behind(
    app: App, sd_model: Any, settings: dict[str, Any], paint: Callable[..., np.ndarray]
) -> None:
    """Two names in one prompt's place, one of which begins with the other."""
    picture = paint("a photo of a cat")
    before = state_of(sd_model)
    settings |= {"embedding.negative": "pair", "preview.every": 4}
    train(app.host, plan_training(app.host, build_config(TrainConfig, settings)), lambda event: None, Control())
    assert differences(before, state_of(sd_model)) == []
    assert np.array_equal(paint("a photo of a cat", seed=1), picture)
    for name in (NAME, f"{NAME}-neg"):
        for encoder, vectors in app.load_embedding(
            Path(settings["save.folder"]) / f"{name}.safetensors"
        ).vectors.items():
            assert not torch.equal(vectors, app.host.token_vectors(app.host.tokenize("red star"), encoder)), name


def test_gradients_do_not_reach_the_weights(app: App, sd_model: Any, settings: dict[str, Any]) -> None:
    """They would fill as much memory as the model itself."""
    with app.host.training_session(SessionRequest(NAME, ROWS)):
        assert not any(weight.requires_grad for weight in _weights(sd_model))
    train(app.host, plan_training(app.host, build_config(TrainConfig, settings)), lambda event: None, Control())
    assert all(weight.grad is None for weight in _weights(sd_model))


def test_tiling_of_the_last_picture_is_off_in_training(
    app: App, sd_model: Any, paint: Callable[..., np.ndarray]
) -> None:
    networks = networks_of(sd_model)
    convolutions = [part for root in networks for part in root.modules() if isinstance(part, torch.nn.Conv2d)]
    paint("a cat", tiling=True)
    if {module.padding_mode for module in convolutions} == {"zeros"}:
        pytest.skip("this WebUI does not tile")
    with app.host.training_session(SessionRequest(NAME, ROWS)):
        assert {module.padding_mode for module in convolutions} == {"zeros"}
    assert {module.padding_mode for module in convolutions} == {"circular"}
    paint("a cat", tiling=False)


def test_hypertile_of_the_last_picture_is_off_in_training(app: App, sd_model: Any) -> None:
    hypertile = pytest.importorskip("hypertile", reason="this WebUI has no Hypertile")
    vectors = {e.name: app.host.token_vectors([320, 736], e.name) for e in app.host.model().encoders}

    def predicted() -> torch.Tensor:
        with app.host.training_session(SessionRequest(NAME, ROWS)) as session, torch.no_grad():
            conditioning = session.encode_prompts(
                [f"a {NAME}"], {NAME: vectors}, [PictureSize(256, 256, 0, 0, 256, 256)]
            )
            return session.predict(torch.ones(1, 4, 32, 32), torch.tensor([500]), conditioning)

    def switch(on: bool) -> None:
        hypertile.hypertile_hook_model(sd_model.model, 256, 256, enable=on, is_sdxl=sd_model.is_sdxl)

    plain = predicted()
    switch(True)
    try:
        assert torch.equal(predicted(), plain)
        params = [
            vars(part)["__webui_hypertile_params"]
            for part in sd_model.model.modules()
            if "__webui_hypertile_params" in vars(part)
        ]
        assert all(one.enabled for one in params)
    finally:
        switch(False)


def _weights(sd_model: Any) -> list[torch.nn.Parameter]:
    return [weight for root in networks_of(sd_model) for weight in root.parameters()]
