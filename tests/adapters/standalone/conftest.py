"""Tiny checkpoints of every family in their original key layout, with random weights."""

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from lib_ti.adapters.standalone.host import StandaloneHost
from lib_ti.adapters.standalone.source import open_source
from lib_ti.demo.recipe.export import Family, save_checkpoint
from lib_ti.demo.recipe.networks import Networks, build_networks, demo_config, demo_xl_config, text_config

FAMILIES: tuple[Family, ...] = ("sd1", "sd2", "sdxl")


def tiny_config(family: Family) -> dict[str, Any]:
    if family == "sdxl":
        return demo_xl_config()
    config = demo_config()
    if family == "sd2":  # its true head counts differ by level, and its projections are linear
        config["unet"] |= {"use_linear_projection": True, "attention_head_dim": [2, 4]}
        config["text_encoder"] = text_config(config["unet"]["cross_attention_dim"], 3) | {"hidden_act": "gelu"}
    return config


class Tiny:
    """A checkpoint on disk, and the networks whose (half precision) weights it holds."""

    def __init__(self, folder: Path, family: Family) -> None:
        self.family = family
        self.config = tiny_config(family)
        self.networks: Networks = build_networks(family, self.config, seed=1)
        self.path = folder / f"tiny-{family}.safetensors"
        save_checkpoint(self.path, self.networks.checkpoint(), self.config, "tiny")
        for module in self.networks.modules():
            module.half().float()

    def state(self) -> dict[str, Tensor]:
        return self.networks.checkpoint()


def open_host(model: Path | str, folder: Path, dtype: str = "fp32") -> StandaloneHost:
    torch.set_num_threads(1)
    return StandaloneHost(open_source(str(model)), "cpu", dtype, folder / "embeddings", folder / "logs")


@pytest.fixture(scope="session")
def tinies(tmp_path_factory: pytest.TempPathFactory) -> dict[Family, Tiny]:
    folder = tmp_path_factory.mktemp("tiny")
    return {family: Tiny(folder, family) for family in FAMILIES}


@pytest.fixture(params=FAMILIES)
def tiny(request: pytest.FixtureRequest, tinies: dict[Family, Tiny]) -> Tiny:
    return tinies[request.param]
