"""The hosts that the contract is held against. A host of another kind joins by a name here and a builder below."""

import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest
import torch
from torch import nn

from lib_ti.adapters.detect import webui_host
from lib_ti.adapters.standalone.host import StandaloneHost
from lib_ti.adapters.standalone.source import open_source
from lib_ti.adapters.webui.model import loaded_networks
from lib_ti.host import Host, ImageRequest, PictureSize, SessionRequest, TrainingSession

HOSTS = ("webui",) if "modules.sd_models" in sys.modules else ("demo", "demo-xl")
NAME, ROWS = "zork", 2


@dataclass
class HostUnderTest:
    """A host, and the modules whose state it must leave as it was (known once it has opened a session)."""

    host: Host
    modules: Callable[[], Sequence[nn.Module]]

    def size(self) -> PictureSize:
        side = self.host.model().native_size
        return PictureSize(side, side, 0, 0, side, side)

    def vectors(self, words: str = "red star") -> dict[str, torch.Tensor]:
        """[2, D] by encoder, requiring grad: something the model knows."""
        ids = self.host.tokenize(words)
        return {e.name: self.host.token_vectors(ids, e.name).requires_grad_() for e in self.host.model().encoders}

    def latents(self, batch: int, seed: int = 0) -> torch.Tensor:
        """Noisy latents of a small picture, the same in every call."""
        model = self.host.model()
        cells = model.native_size // model.pixel_multiple
        return torch.randn(batch, 4, cells, cells, generator=torch.Generator().manual_seed(seed))

    def request(self, prompt: str = f"a photo of a {NAME}", seed: int = 3, steps: int = 4) -> ImageRequest:
        return ImageRequest(prompt, steps=steps, seed=seed)


@pytest.fixture(scope="session", params=HOSTS)
def under_test(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> HostUnderTest:
    torch.set_num_threads(1)
    if request.param == "webui":
        return HostUnderTest(webui_host(), loaded_networks)
    folder: Path = tmp_path_factory.mktemp("host")
    (folder / "embeddings").mkdir()
    host = StandaloneHost(open_source(request.param), "cpu", "fp32", folder / "embeddings", folder / "logs")
    return HostUnderTest(host, lambda: host._model.networks.modules())


@pytest.fixture(scope="session")
def host(under_test: HostUnderTest) -> Host:
    return under_test.host


@pytest.fixture
def session(host: Host) -> Iterator[TrainingSession]:
    with host.training_session(SessionRequest(NAME, ROWS)) as session:
        yield session
