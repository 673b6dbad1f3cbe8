"""The model that was asked for: a file, a folder or a demo, and what it is."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import lib_ti
from lib_ti.adapters.standalone.checkpoint import load_header, load_tensor
from lib_ti.adapters.standalone.detection import Detected, detect_checkpoint, find_table
from lib_ti.adapters.standalone.diffusers_folder import detect_folder, weights_file
from lib_ti.errors import UnsupportedModel

if TYPE_CHECKING:
    from torch import Tensor

DEMOS = ("demo", "demo-xl")


@dataclass(frozen=True)
class Source:
    path: Path
    name: str
    detected: Detected

    @property
    def hashed_file(self) -> Path:
        """The file whose hash names the model: a folder goes by its UNet."""
        return self.path if self.path.is_file() else weights_file(self.path / "unet")

    def load_table(self, encoder: str) -> Tensor:
        """One text encoder's token table, [vocabulary, D], without loading the model."""
        index = [info.name for info in self.detected.encoders].index(encoder)
        file = self.path
        if self.path.is_dir():
            file = weights_file(self.path / ("text_encoder", "text_encoder_2")[index])
        return load_tensor(file, find_table(load_header(file), index))


def open_source(model: str) -> Source:
    """`model`: "demo", "demo-xl", a checkpoint file or a diffusers folder. Raises UnsupportedModel."""
    path = Path(lib_ti.__path__[0]) / "demo" / f"{model}.safetensors" if model in DEMOS else Path(model).expanduser()
    if not path.exists():
        raise UnsupportedModel(
            f"There is no model {model!r}.", "Give a .safetensors or .ckpt file, a diffusers folder, demo or demo-xl."
        )
    try:
        detected = detect_folder(path) if path.is_dir() else _detect_file(path)
    except UnsupportedModel as error:
        raise UnsupportedModel(error.message, error.hint, where=error.where or path.name) from error
    return Source(path, path.stem if path.is_file() else path.name, detected)


def _detect_file(path: Path) -> Detected:
    beside = path.with_suffix(".yaml")
    yaml = beside.read_text(encoding="utf-8", errors="replace") if beside.is_file() else ""
    return detect_checkpoint(load_header(path), yaml, lambda key: float(load_tensor(path, key).float().std()))
