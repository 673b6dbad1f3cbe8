"""Runs against the demo model, on things that it never saw, made of parts that it knows."""

import random
from pathlib import Path
from typing import Any

import torch
from PIL import Image

from lib_ti.config.options import build_config
from lib_ti.config.train import TrainConfig
from lib_ti.control import Control
from lib_ti.demo.world import HELD_OUT, Thing, draw
from lib_ti.events import ignore
from lib_ti.host import Host
from lib_ti.training.run import train

CONCEPTS = {"trx": HELD_OUT[0], "qzk": HELD_OUT[2]}
"""A striped purple star and a green heart."""


def draw_things(folder: Path, thing: Thing, count: int = 8) -> Path:
    """Training pictures of `thing`."""
    folder.mkdir(parents=True)
    rng = random.Random(77)
    for number in range(count):
        Image.fromarray(draw(thing, rng)).save(folder / f"{number}.png")
    return folder


def held_out(thing: Thing, count: int = 8) -> list[torch.Tensor]:
    """Other renderings, [3, H, W] each: what was learned must hold for pictures not trained on."""
    rng = random.Random(1234)
    return [torch.from_numpy(draw(thing, rng)).permute(2, 0, 1) / 127.5 - 1 for _ in range(count)]


def learn(host: Host, settings: dict[str, Any]) -> None:
    torch.set_num_threads(1)
    train(host, build_config(TrainConfig, settings), ignore, Control())
