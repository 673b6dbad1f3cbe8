"""A user with a GPU would lose: half precision that learns what full precision does. Here on the CPU, where it is slow."""

from pathlib import Path
from typing import Any

import pytest
import torch

from lib_ti.app import App
from lib_ti.config.options import build_config
from lib_ti.config.train import LossPart, TrainConfig
from lib_ti.control import Control
from lib_ti.events import Event, StepDone
from lib_ti.host import PictureSize, SessionRequest
from lib_ti.training.state import SUFFIX, load_state
from lib_ti.training.update import Sample, accumulate_gradient
from tests.adapters.standalone.conftest import open_host

HALVES = {"bf16": torch.bfloat16, "fp16": torch.float16}


@pytest.mark.parametrize("dtype", HALVES)
@pytest.mark.parametrize("model", ["demo", "demo-xl"])
def test_gradient_points_where_the_full_one_does(tmp_path: Path, model: str, dtype: str) -> None:
    full, half = (gradient(tmp_path, model, name) for name in ("fp32", dtype))
    for name, expected in full.items():
        assert half[name].dtype == torch.float32
        assert torch.cosine_similarity(half[name].flatten(), expected.flatten(), dim=0) > 0.99
        assert half[name].norm() / expected.norm() == pytest.approx(1, abs=0.03)


@pytest.mark.parametrize("dtype", HALVES)
def test_a_run_keeps_vectors_and_moments_in_float32(tmp_path: Path, dtype: str) -> None:
    host = open_host("demo", tmp_path, dtype)
    losses: list[float] = []

    def listen(event: Event) -> None:
        if isinstance(event, StepDone):
            losses.append(event.loss)

    path = App(host).train(build_config(TrainConfig, settings()), listen, Control())
    state = load_state(path.with_name(path.name + SUFFIX))
    tensors = [*state.vectors.values(), *(value for one in state.moments.values() for value in one.values())]
    assert len(losses) == 3
    assert all(tensor.dtype == torch.float32 and tensor.isfinite().all() for tensor in tensors)
    assert host._model.networks.unet.dtype == HALVES[dtype]


def settings() -> dict[str, Any]:
    import lib_ti.demo

    return {
        "embedding.name": "vrx",
        "embedding.init": "shape",
        "data.folder": str(Path(lib_ti.demo.__file__).parent / "pictures"),
        "data.template": "subject",
        "optim.steps": 3,
        "optim.batch_size": 2,
        "preview.every": 3,
        "preview.steps": 2,
        "run.seed": 1,
    }


def gradient(folder: Path, model: str, dtype: str) -> dict[str, torch.Tensor]:
    host = open_host(model, folder, dtype)
    info = host.model()
    side, cells = info.native_size, info.native_size // info.pixel_multiple
    chance, size = torch.Generator().manual_seed(1), PictureSize(side, side, 0, 0, side, side)
    samples = [
        Sample(f"a photo of a zork {n % 2}", size, *torch.randn(2, 4, cells, cells, generator=chance), 250 * n + 20)
        for n in range(4)
    ]
    vectors = {e.name: host.token_vectors([736, 2368], e.name).clone().requires_grad_() for e in info.encoders}
    with host.training_session(SessionRequest("zork", 2)) as session:
        accumulate_gradient(session, {"zork": vectors}, samples, 2, LossPart())
    return {name: vector.grad for name, vector in vectors.items() if vector.grad is not None}
