"""The gradient under everything that a WebUI can put between the prompt and the noise."""

from collections.abc import Iterator

import pytest
import torch

from lib_ti.adapters.webui.settings import options_set
from lib_ti.app import App
from lib_ti.host import Conditioning, PictureSize, SessionRequest, TrainingSession
from tests.adapters.webui.conftest import NAME, ROWS
from tests.contract.conftest import go_back

SIZE = PictureSize(64, 64, 0, 0, 64, 64)
ATTENTIONS = ("sdp", "sdp-no-mem", "sub-quadratic", "V1", "InvokeAI", "Doggettx", "None")


@pytest.fixture
def attention(request: pytest.FixtureRequest) -> Iterator[None]:
    from modules import sd_hijack

    if not hasattr(sd_hijack, "apply_optimizations"):
        pytest.skip("this WebUI takes its attention from the command line")
    sd_hijack.apply_optimizations(request.param)
    yield
    sd_hijack.apply_optimizations()


@pytest.mark.parametrize("attention", ATTENTIONS, indirect=True)
def test_gradient_is_right_under_each_attention(app: App, attention: None) -> None:
    with app.host.training_session(SessionRequest(NAME, ROWS)) as session:
        validate_gradient(app, session, f"a photo of a {NAME}")


@pytest.mark.parametrize("emphasis", ["None", "Ignore", "Original", "No norm"])
def test_gradient_is_right_under_each_emphasis(app: App, emphasis: str) -> None:
    with options_set(emphasis=emphasis), app.host.training_session(SessionRequest(NAME, ROWS)) as session:
        validate_gradient(app, session, f"({NAME}:1.1) on a table")


def validate_gradient(app: App, session: TrainingSession, prompt: str) -> None:
    """Central differences along each encoder's gradient."""
    vectors = {e.name: app.host.token_vectors([736, 2368], e.name) for e in app.host.model().encoders}
    vectors = {name: vector.requires_grad_() for name, vector in vectors.items()}
    chance = torch.Generator().manual_seed(0)
    noisy, weights = (torch.randn(1, 4, 8, 8, generator=chance) for _ in range(2))

    def error(conditioning: Conditioning) -> torch.Tensor:
        return (session.predict(noisy, torch.tensor([500]), conditioning) * weights).double().sum()

    def loss(vectors: dict[str, torch.Tensor]) -> torch.Tensor:
        return error(session.encode_prompts([prompt], {NAME: vectors}, [SIZE]))

    go_back(session, [prompt], {NAME: vectors}, [SIZE], error)
    for name, vector in vectors.items():
        assert vector.grad is not None
        exact = vector.grad.norm().item()
        step = 0.005 * vector.detach().norm(dim=1).mean().item() * vector.grad / exact
        with torch.no_grad():
            there, back = (loss({**vectors, name: vector + sign * step}).item() for sign in (1, -1))
        assert (there - back) / (2 * step.norm().item()) == pytest.approx(exact, rel=0.02), name
