from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from lib_ti.config.options import build_config
from lib_ti.config.train import TrainConfig


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    """Five pictures, one of them wide: two buckets."""
    folder = tmp_path / "pictures"
    folder.mkdir()
    for number in range(5):
        size = (96, 48) if number == 4 else (64, 64)
        picture = Image.linear_gradient("L").resize(size).rotate(70 * number)
        Image.merge(
            "RGB", [picture, picture.transpose(Image.Transpose.FLIP_LEFT_RIGHT), Image.new("L", size, 40 * number)]
        ).save(folder / f"{number}-thing {number}.png")
    return folder


@pytest.fixture
def settings(pictures: Path) -> Callable[..., TrainConfig]:
    """A short run on the toy host; keyword arguments by dotted path with __ for the dot."""

    def make(**changes: Any) -> TrainConfig:
        values: dict[str, Any] = {
            "embedding.name": "foo",
            "embedding.vectors": 2,
            "embedding.init": "round thing",
            "data.folder": str(pictures),
            "data.template": "subject_filewords",
            "optim.lr": "0.01",
            "optim.steps": 12,
            "optim.batch_size": 2,
            "preview.every": 0,
            "save.every": 4,
            "run.seed": 3,
        }
        return build_config(TrainConfig, values | {key.replace("__", "."): value for key, value in changes.items()})

    return make
