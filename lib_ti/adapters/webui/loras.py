"""LoRAs and hypernetworks of the WebUI. Those of the last picture stay in the weights until somebody says otherwise."""

from __future__ import annotations

import re
import sys
from typing import Any

from lib_ti.adapters.webui.options import options_set
from lib_ti.errors import HostError

WORD = re.compile(r"<(\w+):([^<>]+)>")


def use_loras(text: str) -> None:
    """From now on those that `text` names, as a prompt does, work in the model, and no others. Raises HostError for one that
    cannot be had."""
    from modules import extra_networks, processing

    rest = WORD.sub("", text).strip()
    if rest:
        raise HostError(f"run.networks: {rest!r} is no LoRA.", "Write <lora:name:0.8>.")
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
        raise HostError(
            f"run.networks: the WebUI cannot load {', '.join(missing)}.", "Choose one that its LoRA tab lists."
        )


def _loaded() -> set[str]:
    """Names, as they were asked for."""
    from modules import shared

    loras = getattr(sys.modules.get("networks"), "loaded_networks", [])
    hypernetworks = getattr(shared, "loaded_hypernetworks", [])  # Forge has none
    return {lora.mentioned_name for lora in loras} | {network.name for network in hypernetworks}
