"""LoRAs work in a run when it names them, and never because the last picture used them."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from lib_ti.adapters.detect import webui_host
from lib_ti.adapters.webui.settings import options_set
from lib_ti.app import App
from lib_ti.errors import HostError
from lib_ti.host import ImageRequest, PictureSize, SessionRequest
from tests.adapters.webui.check_gradient import validate_gradient
from tests.adapters.webui.conftest import NAME, ROWS, state_of

SIZE = PictureSize(64, 64, 0, 0, 64, 64)
Paint = Callable[..., np.ndarray]


@pytest.fixture
def lora(sd_model: Any) -> Iterator[str]:
    """A file in the WebUI's LoRA folder, as a prompt names it."""
    networks = pytest.importorskip("networks", reason="the WebUI's LoRA extension is off")
    path = _make_lora(sd_model)
    networks.list_available_networks()
    yield f"<lora:{path.stem}:1>"
    path.unlink()
    networks.list_available_networks()


def test_the_lora_of_the_last_picture_is_off_in_training(app: App, paint: Paint, lora: str) -> None:
    plain, picture = encoded(app), paint("a cat")
    assert not np.array_equal(paint(f"a cat {lora}"), picture)
    assert torch.equal(encoded(app), plain)
    with options_set(sd_lora="tilabcheck"):  # a setting that adds it to every prompt
        assert torch.equal(encoded(app), plain)


def test_a_run_that_names_a_lora_trains_with_it_and_leaves_no_trace(app: App, paint: Paint, lora: str) -> None:
    plain, picture, used = encoded(app), paint("a cat"), paint(f"a cat {lora}")
    with_it = encoded(app, lora)
    assert not torch.allclose(with_it, plain)
    assert torch.equal(encoded(app, lora), with_it)
    assert torch.equal(encoded(app), plain)
    assert np.array_equal(paint("a cat", seed=1), picture)
    assert np.array_equal(paint(f"a cat {lora}", seed=1), used)


def test_gradient_is_right_with_a_lora(app: App, lora: str) -> None:
    with app.host.training_session(SessionRequest(NAME, ROWS, networks=lora)) as session:
        validate_gradient(app, session, f"a photo of a {NAME}")


def test_previews_are_made_with_the_loras_of_the_run_and_leave_them_on(app: App, lora: str) -> None:
    vectors = {e.name: app.host.token_vectors([320, 736], e.name) for e in app.host.model().encoders}
    request, pictures = ImageRequest(f"a {NAME}", steps=1, sampler="Euler", width=64, height=64), []
    for networks in ("", lora):
        with app.host.training_session(SessionRequest(NAME, ROWS, networks=networks)) as session, torch.no_grad():
            before = session.encode_prompts(["a cat"], {NAME: vectors}, [SIZE]).tensors["crossattn"]
            preview = session.preview(request, {NAME: vectors})
            assert preview is not None
            pictures.append(preview.tobytes())
            assert torch.equal(session.encode_prompts(["a cat"], {NAME: vectors}, [SIZE]).tensors["crossattn"], before)
    assert pictures[0] != pictures[1]


@pytest.mark.parametrize("text", ["<lora:missing:1>", "tilabcheck", "<nothing:tilabcheck:1>", "<lora:tilabcheck:much>"])
def test_a_lora_that_cannot_be_had_is_named(app: App, sd_model: Any, lora: str, text: str) -> None:
    encoded(app)
    before = state_of(sd_model)
    with (
        pytest.raises(HostError, match=r"missing|tilabcheck"),
        app.host.training_session(SessionRequest(NAME, ROWS, networks=text)),
    ):
        pass
    after = state_of(sd_model)
    assert [key for key in before if before[key] != after[key]] == []


def encoded(app: App, networks: str = "") -> torch.Tensor:
    vectors = {e.name: app.host.token_vectors([320, 736], e.name) for e in app.host.model().encoders}
    request = SessionRequest(NAME, ROWS, networks=networks)
    with app.host.training_session(request) as session, torch.no_grad():
        return session.encode_prompts(["a cat"], {NAME: vectors}, [SIZE]).tensors["crossattn"]


def _make_lora(sd_model: Any) -> Path:
    from modules import shared

    encoders = webui_host().model().encoders
    width = encoders[0].width  # SD2 calls its one encoder as SD1 does
    prefix = "lora_te1" if len(encoders) == 2 else "lora_te"
    key = f"{prefix}_text_model_encoder_layers_0_mlp_fc1"
    weights = {"lora_up": torch.randn(4 * width, 4), "lora_down": torch.randn(4, width) * 0.05}
    path = Path(shared.cmd_opts.lora_dir) / "tilabcheck.safetensors"
    path.parent.mkdir(parents=True, exist_ok=True)
    save_file({f"{key}.{part}.weight": tensor for part, tensor in weights.items()}, path)
    return path
