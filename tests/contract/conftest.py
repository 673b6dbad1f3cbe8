"""The hosts that the contract is held against. A host of another kind joins by a name here and a builder below."""

import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from lib_ti.adapters.detect import webui_host
from lib_ti.adapters.standalone.host import StandaloneHost
from lib_ti.adapters.standalone.source import open_source
from lib_ti.adapters.webui.model import loaded_model, loaded_networks
from lib_ti.host import Conditioning, Host, ImageRequest, PictureSize, SessionRequest, TrainingSession, Vectors

HOSTS = ("webui",) if "modules.sd_models" in sys.modules else ("demo", "demo-xl")
NAME, ROWS = "zork", 2


@dataclass
class HostUnderTest:
    """A host, the modules whose state it must leave as it was, and those of them that read prompts (known once it has opened
    a session)."""

    host: Host
    modules: Callable[[], Sequence[nn.Module]]
    text_modules: Callable[[], Sequence[nn.Module]]

    def size(self) -> PictureSize:
        side = self.host.model().native_size
        return PictureSize(side, side, 0, 0, side, side)

    def vectors(self, words: str = "red star", name: str = NAME) -> dict[str, dict[str, torch.Tensor]]:
        """[2, D] by name and encoder, requiring grad: something the model knows."""
        ids = self.host.tokenize(words)
        return {
            name: {e.name: self.host.token_vectors(ids, e.name).requires_grad_() for e in self.host.model().encoders}
        }

    def latents(self, batch: int, seed: int = 0) -> torch.Tensor:
        """Noisy latents of a small picture, the same in every call."""
        model = self.host.model()
        cells = model.native_size // model.pixel_multiple
        return torch.randn(batch, 4, cells, cells, generator=torch.Generator().manual_seed(seed))

    def request(self, prompt: str = f"a photo of a {NAME}", seed: int = 3, steps: int = 4) -> ImageRequest:
        return ImageRequest(prompt, steps=steps, seed=seed)


def go_back(
    session: TrainingSession,
    prompts: Sequence[str],
    vectors: Vectors,
    sizes: Sequence[PictureSize],
    loss: Callable[[Conditioning], Tensor],
) -> None:
    """Add the gradient of `loss` to `vectors` as the loop does: down to detached rows, then through the prompts once more."""
    with torch.no_grad():
        encoded = session.encode_prompts(prompts, vectors, sizes)
    leaves = {key: tensor.detach().requires_grad_() for key, tensor in encoded.tensors.items()}
    loss(Conditioning(leaves)).backward()  # type: ignore[no-untyped-call]
    again = session.encode_prompts(prompts, vectors, sizes).tensors
    keys = [key for key, tensor in again.items() if tensor.requires_grad]
    torch.autograd.backward([again[key] for key in keys], [leaves[key].grad for key in keys])


def webui_text_modules() -> list[nn.Module]:
    sd_model = loaded_model()
    if hasattr(sd_model, "forge_objects"):
        return [sd_model.forge_objects.clip.cond_stage_model]
    return [sd_model.cond_stage_model]


@pytest.fixture(scope="session", params=HOSTS)
def under_test(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> HostUnderTest:
    torch.set_num_threads(1)
    if request.param == "webui":
        return HostUnderTest(webui_host(), loaded_networks, webui_text_modules)
    folder: Path = tmp_path_factory.mktemp("host")
    (folder / "embeddings").mkdir()
    host = StandaloneHost(open_source(request.param), "cpu", "fp32", folder / "embeddings", folder / "logs")
    return HostUnderTest(
        host, lambda: host._model.networks.modules(), lambda: list(host._model.networks.texts.values())
    )


@pytest.fixture(scope="session")
def host(under_test: HostUnderTest) -> Host:
    return under_test.host


@pytest.fixture
def session(host: Host) -> Iterator[TrainingSession]:
    with host.training_session(SessionRequest(NAME, ROWS)) as session:
        yield session
