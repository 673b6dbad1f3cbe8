"""Where a run keeps its files: A1111's layout, `<log>/<date>/<name>/{embeddings,images,image_embeddings}`."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from datetime import date
from pathlib import Path

from lib_ti.errors import HostError
from lib_ti.training.state import SUFFIX


@dataclass(frozen=True)
class RunFolder:
    root: Path
    name: str

    def copy(self, step: int, suffix: str) -> Path:
        return self.root / "embeddings" / f"{self.name}-{step}{suffix}"

    def state(self, step: int) -> Path:
        return self.copy(step, SUFFIX)

    def preview(self, step: int) -> Path:
        return self.root / "images" / f"{self.name}-{step}.png"

    def preview_embedding(self, step: int) -> Path:
        return self.root / "image_embeddings" / f"{self.name}-{step}.png"

    @property
    def losses(self) -> Path:
        return self.root / "textual_inversion_loss.csv"

    @property
    def settings(self) -> Path:
        return self.root / "settings.json"

    @property
    def plot(self) -> Path:
        return self.root / "loss.png"

    @property
    def tensorboard(self) -> Path:
        return self.root / "tensorboard"

    def make(self) -> None:
        """Raises HostError before any work where nothing can be written."""
        try:
            for name in ("embeddings", "images", "image_embeddings"):
                (self.root / name).mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise HostError(
                f"The log folder cannot be made: {error.strerror}.", "Choose another one.", str(self.root)
            ) from error
        if not os.access(self.root, os.W_OK):
            raise HostError("The log folder cannot be written to.", "Choose another one.", str(self.root))


def new_run_folder(log: Path, name: str) -> RunFolder:
    """A folder of today that no other run has: NAME, or NAME-2, NAME-3 …"""
    day = log / date.today().isoformat()
    root, number = day / name, 1
    while root.exists() and any(root.iterdir()):
        number += 1
        root = day / f"{name}-{number}"
    return RunFolder(root, name)


def find_states(log: Path, name: str) -> list[Path]:
    """The states of all runs of `name` that still lie in the log folder, in no particular order."""
    folder = re.compile(re.escape(name) + r"(-[0-9]+)?")
    copy = re.compile(re.escape(name) + r"-[0-9]+" + re.escape(SUFFIX))
    return [
        state
        for run in sorted(log.glob("[0-9][0-9][0-9][0-9]-[0-9][0-9]-[0-9][0-9]/*"))
        if folder.fullmatch(run.name)
        for state in (run / "embeddings").glob(f"*{SUFFIX}")
        if copy.fullmatch(state.name)
    ]
