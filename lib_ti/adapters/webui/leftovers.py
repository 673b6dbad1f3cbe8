"""What the last picture leaves at work in the WebUI's model until somebody says otherwise: LoRAs and hypernetworks, borderless
convolutions, and attention in tiles."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

from torch import nn

from lib_ti.adapters.restore import attributes_set
from lib_ti.adapters.webui.settings import options_set
from lib_ti.errors import HostError

WORD = re.compile(r"<(\w+):([^<>]+)>")
FIELD = "run.networks"
_PARAMS = "__webui_hypertile_params"


def use_loras(text: str) -> None:
    """From now on those that `text` names, as a prompt does, work in the model, and no others. Raises HostError for one that
    cannot be had."""
    from modules import extra_networks, processing

    validate_loras(text)
    wanted: dict[str, list[Any]] = {}
    for kind, arguments in WORD.findall(text):
        wanted.setdefault(kind, []).append(extra_networks.ExtraNetworkParams(items=arguments.split(":")))
    picture = processing.StableDiffusionProcessingTxt2Img()
    picture.all_prompts = []
    with options_set(sd_lora="None", sd_hypernetwork="None"):  # those that the user adds to every prompt
        extra_networks.activate(picture, wanted)
    loaded = _loaded() if wanted else set()
    missing = [
        f"<{kind}:{arguments}>" for kind, arguments in WORD.findall(text) if arguments.split(":")[0] not in loaded
    ]
    if missing:
        extra_networks.activate(picture, {})
        raise _missing(missing)


def validate_loras(text: str) -> None:
    """Raises HostError, as `use_loras` does, for one that the WebUI does not list; nothing is loaded."""
    if rest := WORD.sub("", text).strip():
        raise HostError(f"{rest!r} is no LoRA.", "Write <lora:name:0.8>.", FIELD)
    words = [(kind, arguments.split(":")[0]) for kind, arguments in WORD.findall(text)]
    if missing := [f"<{kind}:{name}>" for kind, name in words if not _is_listed(kind, name)]:
        raise _missing(missing)


def _is_listed(kind: str, name: str) -> bool:
    """True also where the WebUI keeps its lists otherwise than we know: then loading it will tell."""
    from modules import shared

    if kind == "hypernet":
        return name in getattr(shared, "hypernetworks", {name: ""})
    networks: Any = sys.modules.get("networks")
    if not hasattr(networks, "available_networks"):
        return True

    def listed() -> bool:
        return name in networks.available_networks or name in getattr(networks, "available_network_aliases", {})

    if not listed() and hasattr(networks, "list_available_networks"):
        networks.list_available_networks()  # as the WebUI itself does before it gives up
    return listed()


def _missing(words: list[str]) -> HostError:
    return HostError(f"The WebUI cannot load {', '.join(words)}.", "Choose one that its LoRA tab lists.", FIELD)


def _loaded() -> set[str]:
    """Names, as they were asked for."""
    from modules import shared

    loras = getattr(sys.modules.get("networks"), "loaded_networks", [])
    hypernetworks = getattr(shared, "loaded_hypernetworks", [])  # Forge has none
    return {lora.mentioned_name for lora in loras} | {network.name for network in hypernetworks}


@contextmanager
def without_tiling(sd_model: Any) -> Iterator[None]:
    from modules import processing

    if hasattr(sd_model, "tiling_enabled"):  # the Forge family
        switch, tiling = partial(processing.apply_circular_forge, sd_model), sd_model.tiling_enabled
    else:
        from modules.sd_hijack import model_hijack

        switch, tiling = model_hijack.apply_circular, model_hijack.circular_enabled
    switch(False)
    try:
        yield
    finally:
        switch(tiling)


@contextmanager
def without_hypertile(network: nn.Module) -> Iterator[None]:
    """A1111's Hypertile cuts attention into tiles of the last picture's shape and of chance sizes."""
    params = [vars(module)[_PARAMS] for module in network.modules() if _PARAMS in vars(module)]
    with attributes_set(params, enabled=False):
        yield
