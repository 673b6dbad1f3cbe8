"""Which host to stand behind. Torch-free: a command that only fails should fail at once."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from lib_ti.host import Host


def open_standalone(model: str, device: str, dtype: str, embeddings: Path, logs: Path) -> Host:
    """`model`: "demo", "demo-xl", a checkpoint file or a diffusers folder; `device` and `dtype` may be "auto".

    Raises UnsupportedModel, saying what was found in the file. The weights are loaded by the first use.
    """
    from lib_ti.adapters.standalone.host import StandaloneHost
    from lib_ti.adapters.standalone.source import open_source

    return StandaloneHost(open_source(model), device, dtype, embeddings, logs)


def webui_host() -> Host:
    """The host inside the WebUI whose process this is, by what it is built of and never by its name."""
    if find_spec("modules_forge") and find_spec("backend") and find_spec("backend.diffusion_engine"):
        from lib_ti.adapters.forge.host import ForgeHost

        return ForgeHost()
    from lib_ti.adapters.a1111.host import A1111Host

    return A1111Host()
