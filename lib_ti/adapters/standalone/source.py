"""The model that was asked for: a file, a folder or a demo, and what it is."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import lib_ti
from lib_ti.adapters.standalone.checkpoint import load_header, load_tensor
from lib_ti.adapters.standalone.detection import Detected, detect_checkpoint
from lib_ti.errors import UnsupportedModel

DEMOS = ("demo", "demo-xl")


@dataclass(frozen=True)
class Source:
    path: Path
    name: str
    detected: Detected

    @property
    def hashed_file(self) -> Path:
        """The file whose hash names the model: a folder goes by its UNet."""
        if self.path.is_file():
            return self.path
        return next(file for file in sorted((self.path / "unet").iterdir()) if file.suffix in (".safetensors", ".bin"))


def open_source(model: str) -> Source:
    """`model`: "demo", "demo-xl", a checkpoint file or a diffusers folder. Raises UnsupportedModel."""
    path = Path(lib_ti.__path__[0]) / "demo" / f"{model}.safetensors" if model in DEMOS else Path(model).expanduser()
    if not path.exists():
        raise UnsupportedModel(
            f"There is no model {model!r}.", "Give a .safetensors or .ckpt file, a diffusers folder, demo or demo-xl."
        )
    beside = path.with_suffix(".yaml")
    yaml = beside.read_text(encoding="utf-8", errors="replace") if beside.is_file() else ""
    try:
        detected = detect_checkpoint(load_header(path), yaml, lambda key: float(load_tensor(path, key).float().std()))
    except UnsupportedModel as error:
        raise UnsupportedModel(error.message, error.hint, where=error.where or path.name) from error
    return Source(path, path.stem if path.is_file() else path.name, detected)
