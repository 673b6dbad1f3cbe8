"""The model that was asked for, and what it is: a checkpoint file, a diffusers folder or a demo. No weights are loaded, and
torch is not needed."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import lib_ti
from lib_ti.adapters.standalone.checkpoint import load_header, load_tensor
from lib_ti.adapters.standalone.detection import (
    USE,
    Detected,
    detect_checkpoint,
    encoders_of,
    find_table,
    refuse_inputs,
)
from lib_ti.errors import UnsupportedModel
from lib_ti.host import Family
from lib_ti.reading import MAX_TEXT_BYTES, read_file, read_json, read_text

if TYPE_CHECKING:
    from torch import Tensor

DEMOS = ("demo", "demo-xl")
_PIPELINES = ("StableDiffusionPipeline", "StableDiffusionXLPipeline")
_WEIGHTS = (".safetensors", ".bin")


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
    if not path.is_dir() and not path.is_file():
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
    yaml = read_file(beside, MAX_TEXT_BYTES).decode(errors="replace") if beside.is_file() else ""
    return detect_checkpoint(load_header(path), yaml, lambda key: float(load_tensor(path, key).float().std()))


def detect_folder(path: Path) -> Detected:
    """By its JSON files. Raises UnsupportedModel saying what was found and what to use instead."""
    index = _load_json(path / "model_index.json", {})
    pipeline = str(index.get("_class_name", _PIPELINES[0]))
    if not pipeline.startswith(_PIPELINES):
        raise UnsupportedModel(f"This folder is for diffusers' {pipeline}.", USE, str(path))
    networks: dict[str, Any] = {part: _load_json(path / part / "config.json") for part in ("unet", "vae")}
    refuse_inputs(networks["unet"]["in_channels"])
    if not (path / "text_encoder").is_dir() and (path / "text_encoder_2").is_dir():
        raise UnsupportedModel("This is the SDXL refiner.", "Use the SDXL base model: the refiner lacks an encoder.")
    networks["text_encoder"] = _load_json(path / "text_encoder" / "config.json")
    family: Family = "sd2" if networks["text_encoder"].get("hidden_act") == "gelu" else "sd1"
    if (path / "text_encoder_2").is_dir():
        family = "sdxl"
        networks["force_zeros_for_empty_prompt"] = index.get("force_zeros_for_empty_prompt", True)
        networks["text_encoder_2"] = _load_json(path / "text_encoder_2" / "config.json")
    noise = _load_json(path / "scheduler" / "scheduler_config.json", {})
    cell = 2 ** (len(networks["vae"]["block_out_channels"]) - 1)
    return Detected(
        family,
        encoders_of(family, networks),
        "v_prediction" if noise.get("prediction_type") == "v_prediction" else "epsilon",
        bool(noise.get("rescale_betas_zero_snr")),
        networks["unet"]["sample_size"] * cell,
        networks,
    )


def weights_file(part: Path) -> Path:
    """The file of weights in a part's folder; plain before fp16, .safetensors before .bin. The first of several shards."""
    files = (
        [file for file in sorted(part.iterdir()) if file.suffix in _WEIGHTS and file.is_file()] if part.is_dir() else []
    )
    if not files:
        raise UnsupportedModel(
            f"The folder's part {part.name} has no weights.", "Copy the folder again, with all its parts.", str(part)
        )
    return min(files, key=lambda file: (".fp16." in file.name, _WEIGHTS.index(file.suffix)))


def _load_json(path: Path, default: dict[str, Any] | None = None) -> dict[str, Any]:
    if default is not None and not path.exists():
        return default
    try:
        content: dict[str, Any] = read_json(read_text(path))
    except (OSError, ValueError) as error:
        raise UnsupportedModel(
            f"This is no whole diffusers folder: {path.parent.name}/{path.name} cannot be read.", USE, str(path)
        ) from error
    return content
