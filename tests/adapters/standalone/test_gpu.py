"""A user with a GPU would lose: training in half precision that still learns, and the memory that was promised."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from lib_ti.adapters.detect import open_standalone
from lib_ti.config.options import build_config
from lib_ti.config.train import LossPart, TrainConfig
from lib_ti.control import Control
from lib_ti.dataset.picture import load_picture
from lib_ti.dataset.scan import scan_dataset
from lib_ti.events import Event, StepDone
from lib_ti.formats.files import load_embedding
from lib_ti.host import Host, SessionRequest
from lib_ti.training.evaluation import FixedBatch, gap_closed
from lib_ti.training.plan import plan_training
from lib_ti.training.run import train
from lib_ti.training.update import Sample, accumulate_gradient
from tests.benchmarks.training_speed import peak_memory, random_sd1

pytestmark = pytest.mark.gpu
PICTURES = Path(__file__).parents[3] / "lib_ti" / "demo" / "pictures"
ORACLE = "a photo of a striped purple star"


@pytest.fixture(params=["fp32", "bf16", "fp16"])
def host(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Host]:
    yield open_standalone("demo", "cuda", request.param, tmp_path / "embeddings", tmp_path / "logs")
    torch.cuda.empty_cache()


def test_training_learns_in_every_precision_and_gives_its_memory_back(host: Host, tmp_path: Path) -> None:
    values = {
        "embedding.name": "vrx",
        "embedding.init": "shape",
        "data.folder": str(PICTURES),
        "data.template": "subject",
        "optim.lr": "0.01",
        "optim.steps": 200,
        "optim.batch_size": 8,
        "run.seed": 1,
        "preview.every": 100,
        "save.every": 0,
    }
    config = build_config(TrainConfig, values)
    dataset = scan_dataset(config.data, "vrx", host.model().native_size, host.model().pixel_multiple)
    held = []
    events: list[Event] = []
    for _ in range(2):
        overwriting = build_config(TrainConfig, values | {"embedding.overwrite": True})
        train(host, plan_training(host, overwriting), events.append, Control())
        held.append(torch.cuda.memory_allocated())
    assert held[0] == held[1], "a run leaves memory behind"
    assert all(event.loss == event.loss for event in events if isinstance(event, StepDone))

    final = load_embedding(tmp_path / "embeddings" / "vrx.safetensors").vectors
    with host.training_session(SessionRequest("vrx", 1)) as session:
        batch = FixedBatch(session, [torch.from_numpy(load_picture(p.path, p.fit).pixels) for p in dataset.pictures])
        initial, oracle = batch.loss("a photo of a shape", final), batch.loss(ORACLE, final)
        assert gap_closed(initial, batch.loss("a photo of a vrx", final), oracle) > 0.7


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_half_precision_gradient_points_where_the_full_one_does(dtype: torch.dtype) -> None:
    """On SD1's true sizes, where float16 would underflow without its scale."""
    gradients = {}
    for kind in (torch.float32, dtype):
        torch.manual_seed(3)
        gradients[kind] = sd1_gradient(kind)
        torch.cuda.empty_cache()
    full, half = gradients[torch.float32].flatten(), gradients[dtype].flatten()
    assert torch.cosine_similarity(full, half, dim=0) > 0.99
    assert half.norm() / full.norm() == pytest.approx(1.0, abs=0.05)


def test_checkpointing_saves_memory_and_changes_nothing() -> None:
    torch.manual_seed(3)
    from lib_ti.adapters.standalone.networks import checkpointing

    model = random_sd1(torch.device("cuda"), torch.float32)
    results = {}
    for on in (False, True):
        with checkpointing(model.networks.unet, on):
            gradient: list[torch.Tensor] = []
            peak = peak_memory(lambda: gradient.append(model_gradient(model)), model.device)  # noqa: B023
            results[on] = peak, gradient[0]
    assert results[True][0] < 0.6 * results[False][0]
    torch.testing.assert_close(results[True][1], results[False][1], rtol=1e-3, atol=1e-9)


def sd1_gradient(dtype: torch.dtype) -> torch.Tensor:
    return model_gradient(random_sd1(torch.device("cuda"), dtype))


def model_gradient(model: object) -> torch.Tensor:
    from lib_ti.adapters.standalone.model import Model
    from lib_ti.adapters.standalone.session import StandaloneSession
    from lib_ti.host import PictureSize

    assert isinstance(model, Model)
    session = StandaloneSession(model, SessionRequest("foo", 1), {})
    chance = torch.Generator().manual_seed(1)
    size = PictureSize(512, 512, 0, 0, 512, 512)
    samples = [
        Sample(
            "a photo of foo", size, *(torch.randn(4, 64, 64, generator=chance).cuda() for _ in range(2)), 250 * n + 20
        )
        for n in range(4)
    ]
    vector = model.prompts.encoders["clip_l"].table[2368:2369].detach().clone().requires_grad_()
    accumulate_gradient(session, {"foo": {"clip_l": vector}}, samples, 2, LossPart())
    assert vector.grad is not None
    return vector.grad.cpu()
