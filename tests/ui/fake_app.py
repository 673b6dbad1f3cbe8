"""An App whose host and training need no torch, so that the tab can be shown and driven in any environment with gradio."""

from __future__ import annotations

import math
import random
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from PIL import Image, ImageDraw

from lib_ti.app import App
from lib_ti.config.describe import DescribeConfig
from lib_ti.config.embeddings import CreateConfig
from lib_ti.config.train import TrainConfig
from lib_ti.control import Control
from lib_ti.errors import EmbeddingExists, Fault, InvalidDataset
from lib_ti.events import (
    Emit,
    Finished,
    Paused,
    Planned,
    PreviewReady,
    Resumed,
    Saved,
    Status,
    StepDone,
    Warned,
    ignore,
)
from lib_ti.host import EncoderInfo, ModelInfo
from lib_ti.library.result import Result
from lib_ti.picture_folders import PictureFolders
from lib_ti.training.description import Candidate, Description, FoundWord


class FakeHost:
    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def model(self) -> ModelInfo:
        self.wait()
        encoder = EncoderInfo("clip_l", 768, 49407)
        return ModelInfo("demo <b>", "0123456789", "sd1", (encoder,), "epsilon", 64)

    def wait(self) -> None:
        """While there is a file `hold` in the folder."""
        while (self.folder / "hold").exists():
            time.sleep(0.02)

    def embeddings_folder(self) -> Path:
        return self.folder

    def log_folder(self) -> Path:
        return self.folder / "logs"

    def template_folders(self) -> list[Path]:
        return []

    def captioners(self) -> list[str]:
        return ["Deepbooru", "BLIP"]

    def caption(self, image: Image.Image, name: str, given_up: Callable[[], bool]) -> str:
        return f"{name} sees {image.width} pixels"

    def tokenize(self, text: str) -> list[int]:
        return [len(word) for word in text.split()]

    def samplers(self) -> list[str]:
        return ["DPM++ 2M", "Euler", "DDIM"]


@dataclass(frozen=True)
class FakePlan:
    config: TrainConfig
    seed: int = 0
    warnings: tuple[str, ...] = ()

    def lines(self) -> tuple[str, ...]:
        about = (
            "Model: demo (sd1, epsilon)",
            "Pictures: 8 (8 an epoch)",
            "Rate: 0.005 for updates 1 to 20",
            "no colon",
        )
        return (*about, f"Seed: {self.seed}")


class FakePictures(PictureFolders):
    def save_captions(self, folder: str, captions: Mapping[str, str]) -> int:
        self.host.wait()  # type: ignore[union-attr]
        return super().save_captions(folder, captions)


class FakeApp(App):
    """Faults: a data folder called "empty" holds broken pictures. `pace` is the seconds of a step."""

    def __init__(self, folder: Path, pace: float = 0.05) -> None:
        super().__init__(FakeHost(folder))  # type: ignore[arg-type]
        self.pictures = FakePictures(self.host)
        self.folder, self.pace = folder, pace
        self.done: dict[str, int] = {}

    def templates(self) -> list[str]:
        return ["style_filewords", "subject"]

    def create(self, config: CreateConfig) -> Result:
        path = self.folder / f"{config.name}.{config.format}"
        if path.exists() and not config.overwrite:
            raise EmbeddingExists(f"{path.name} exists.", "Choose another name.", str(path))
        path.write_bytes(b"made")
        return Result(path, "sd1", config.vectors, ("It is <new>.",))

    def plan(self, run: Any, emit: Emit = ignore) -> Any:
        config: TrainConfig = run
        if config.data.folder == "empty":
            raise InvalidDataset([Fault("a<b>.png", "is broken"), Fault("data.template", "there is no template")])
        name, embedding = config.embedding.name, config.embedding
        if self.done.get(name) and not (embedding.resume or embedding.overwrite):
            raise EmbeddingExists(f"{name}.safetensors exists and is trained.", "Resume, or overwrite.", name)
        return FakePlan(config, config.run.seed if config.run.seed >= 0 else random.randrange(2**31))

    def train(self, run: Any, emit: Emit, control: Control) -> Path:
        plan = self.plan(run, emit)
        config, name = plan.config, plan.config.embedding.name
        first = self.done.get(name, 0) if config.embedding.resume else 0
        self.done[name] = first
        emit(Planned(name, "demo", first, config.optim.steps, plan.lines(), self.folder / "run"))
        emit(Warned("The pictures are <small>."))
        for number in range(8):
            emit(Status(f"Encoding picture {number + 1} of 8", number / 8))
            time.sleep(self.pace / 4)
        chance = random.Random(1)
        for step in range(first + 1, config.optim.steps + 1):
            if control.stopping:
                break
            time.sleep(self.pace)
            loss = 0.05 + 0.2 * math.exp(-step / 25) + 0.02 * chance.random()
            rate = config.schedule.rate_at(step - 1) or 0.0
            norms = {"clip_l": 0.4 + step / 200, "clip_g": 0.3 + step / 400}
            emit(StepDone(step, config.optim.steps, step // 8, step % 8, loss, rate, norms, 2, self.pace))
            self.done[name] = step
            if (config.preview.every and step % config.preview.every == 0) or control.take_preview():
                emit(PreviewReady(step, self.picture(step), f"a photo of <{name}>", 7))
            if (config.save.every and step % config.save.every == 0) or control.take_save():
                emit(Saved(step, self.folder / "run" / f"{name}-{step}.safetensors", "copy"))
            if control.paused and not control.stopping:
                emit(Paused(step))
                control.wait_while_paused()
                emit(Resumed(step))
        path = self.folder / f"{name}.safetensors"
        path.write_bytes(b"trained")
        emit(Saved(self.done[name], path, "embedding"))
        emit(Finished(self.done[name], path, stopped=self.done[name] < config.optim.steps))
        return path

    def describe(self, config: DescribeConfig, emit: Emit = ignore, control: Control | None = None) -> Description:
        """Finds the words a, b, c …, half a second or ten steps each."""
        if config.pictures == "empty":
            raise InvalidDataset([Fault("pictures", "there is no picture")])
        words: list[FoundWord] = []
        for number in range(config.words):
            for tried in range(10):
                if control and control.stopping:
                    break
                emit(Status(f"Word {number + 1} of {config.words}: {tried} of 10 compared", number / config.words))
                time.sleep(self.pace)
            else:
                others = (Candidate(7, "<moth>", 0.19),)
                words.append(FoundWord(number, "abcdefghi"[number], 0.2 - number / 100, 0.2 / (number + 1), others))
        typed = [word.text for word in words]
        expression = ",".join(f"'{word}'" for word in typed)
        stopped = bool(control and control.stopping)
        return Description(config.pictures, 8, 0.25, tuple(words), expression, " ".join(typed), 96.0, stopped)

    def picture(self, step: int) -> Path:
        image = Image.new("RGB", (256, 256), (235, 228, 214))
        draw = ImageDraw.Draw(image)
        size = 20 + min(90, step)
        draw.ellipse((128 - size, 128 - size, 128 + size, 128 + size), fill=(60 + step % 120, 90, 170))
        draw.rectangle((40, 200, 216, 216), fill=(200, 120 + step % 90, 60))
        path = self.folder / f"preview-{step}.png"
        image.save(path)
        return path
