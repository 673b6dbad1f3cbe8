"""App(host): the one facade that tab, CLI and API call. Importing it is cheap: torch comes in with the first real work."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lib_ti.config.create import CreateConfig
from lib_ti.config.train import TrainConfig
from lib_ti.config.tree import build_config
from lib_ti.control import Control
from lib_ti.events import Emit
from lib_ti.host import Host, ImageRequest, ModelInfo
from lib_ti.jobs.job import Job, Jobs

if TYPE_CHECKING:
    from PIL.Image import Image

    from lib_ti.embedding.embedding import Embedding
    from lib_ti.training.plan import Plan


@cache
def shared_app(make_host: Callable[[], Host]) -> App:
    """One for each kind of host: a WebUI that builds its page anew finds the running job again."""
    return App(make_host())


class App:
    def __init__(self, host: Host) -> None:
        self.host = host
        self.jobs = Jobs()

    def model(self) -> ModelInfo:
        return self.host.model()

    def embeddings_folder(self, folder: str = "") -> Path:
        return Path(folder) if folder else self.host.embeddings_folder()

    def templates(self) -> list[str]:
        """Names of the prompt templates that come with us."""
        from lib_ti.dataset.template import SHIPPED

        return sorted(path.stem for path in SHIPPED.glob("*.txt"))

    def create(self, values: Mapping[str, Any]) -> Path:
        """Make a new embedding from flat or nested `CreateConfig` values and save it; the file's path."""
        from lib_ti.create import create_embedding, new_embedding_path
        from lib_ti.embedding.files import save_embedding

        config = build_config(CreateConfig, values)
        path = new_embedding_path(self.embeddings_folder(config.folder), config, self.host)
        save_embedding(create_embedding(self.host, config), path, overwrite=config.overwrite)
        self.host.refresh_embeddings()
        return path

    def preflight(self, values: Mapping[str, Any]) -> Plan:
        """Prove settings and pictures without a step of training: what the run would do, or every fault at once."""
        from lib_ti.training.plan import plan_training

        return plan_training(self.host, build_config(TrainConfig, values))

    def train(self, values: Mapping[str, Any], emit: Emit, control: Control) -> Path:
        """Train in this thread until done or stopped; the saved embedding's path."""
        from lib_ti.training.run import train

        path = train(self.host, build_config(TrainConfig, values), emit, control)
        self.host.refresh_embeddings()
        return path

    def start_training(self, values: Mapping[str, Any]) -> Job:
        """Train in a job of its own; faults of the settings are raised here and now. Raises Busy while another job runs."""
        config = build_config(TrainConfig, values)
        return self.jobs.start(
            f"Train {config.embedding.name}", lambda emit, control: self.train(values, emit, control)
        )

    def load_embedding(self, path: Path) -> Embedding:
        from lib_ti.embedding.files import load_embedding

        return load_embedding(path)

    def generate(self, request: ImageRequest) -> Image:
        return self.host.generate(request)
