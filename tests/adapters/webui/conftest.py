"""For the checks that run inside a WebUI: its model, and everything about it that a run could leave changed."""

import hashlib
import random
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from lib_ti.adapters.detect import webui_host
from lib_ti.adapters.webui.memory import manages_memory
from lib_ti.adapters.webui.model import loaded_model, networks_of
from lib_ti.app import App

NAME, ROWS = "zork", 2


def state_of(sd_model: Any) -> dict[str, Any]:
    """What must be the same after a run: weights, flags, hooks, settings, embeddings, caches and random state."""
    from modules import paths, processing, shared

    last_prompt = Path(paths.data_path) / "params.txt"
    hijack = getattr(sys.modules.get("modules.sd_hijack"), "model_hijack", None)
    databases = webui_host()._databases(sd_model)
    state: dict[str, Any] = {
        "model": (id(loaded_model()), sd_model.sd_checkpoint_info.title),
        "settings": dict(shared.opts.data),
        "arguments": dict(vars(shared.cmd_opts)),
        "job": (shared.state.job, shared.state.job_count, shared.state.interrupted, shared.state.skipped),
        "words": [(name, id(e)) for known in databases for name, e in known.word_embeddings.items()],
        "ids": [
            {i: [(ids, id(e)) for ids, e in found] for i, found in known.ids_lookup.items()} for known in databases
        ],
        "skipped": [list(known.skipped_embeddings) for known in databases],
        "last prompt": last_prompt.read_bytes() if last_prompt.is_file() else None,
        "fixes": getattr(hijack, "fixes", None),
        "tiling": getattr(hijack, "circular_enabled", None),
        "caches": [
            id(x) for owner in ("cached_c", "cached_uc") for x in getattr(processing.StableDiffusionProcessing, owner)
        ],
        "attention": _attention(),
        "random": (random.getstate(), str(np.random.get_state()), torch.get_rng_state().numpy().tobytes()),
        "torch": (torch.get_default_dtype(), torch.is_grad_enabled(), torch.is_inference_mode_enabled()),
    }
    # Forge moves weights by putting others in their place.
    stays = not manages_memory(sd_model)
    for root in networks_of(sd_model):
        part = type(root).__name__
        for name, module in root.named_modules():
            hooks = [len(table) for table in (module._forward_hooks, module._forward_pre_hooks, module._backward_hooks)]
            own = {key: value for key, value in vars(module).items() if isinstance(value, (bool, int, float, str))}
            state[f"module {part}.{name}"] = (own, hooks, "forward" in vars(module))
        for name, tensor in [*root.named_parameters(), *root.named_buffers()]:
            bytes_ = tensor.detach().cpu().flatten().view(torch.uint8).numpy().tobytes()
            content = (hashlib.blake2b(bytes_).hexdigest(), tensor.dtype, tensor.device)
            identity = id(tensor) if stays else None
            state[f"tensor {part}.{name}"] = (identity, content, tensor.requires_grad, tensor.grad)
    return state


def differences(before: dict[str, Any], after: dict[str, Any]) -> list[str]:
    return [key for key in before.keys() | after.keys() if before.get(key) != after.get(key)]


def _attention() -> list[int]:
    if "backend" in sys.modules:
        return []
    import ldm.modules.attention
    import ldm.modules.diffusionmodules.model
    import sgm.modules.attention

    parts = (
        ldm.modules.attention.CrossAttention,
        ldm.modules.diffusionmodules.model.AttnBlock,
        sgm.modules.attention.CrossAttention,
    )
    return [id(part.forward) for part in parts]


@pytest.fixture
def sd_model(app: App) -> Any:
    app.host.model()  # loads it where that has yet to be done
    return loaded_model()


@pytest.fixture(scope="session")
def app() -> App:
    return App(webui_host())


@pytest.fixture
def settings(tmp_path: Path) -> dict[str, Any]:
    """A short training at 64 px on two pictures."""
    import lib_ti.demo

    folder = tmp_path / "pictures"
    folder.mkdir()
    for number in (1, 2):
        source = Path(lib_ti.demo.__file__).parent / "pictures" / f"0{number}.png"
        (folder / f"a red star {number}.png").write_bytes(source.read_bytes())
    return {
        "embedding.name": NAME,
        "embedding.vectors": ROWS,
        "embedding.init": "red star",
        "data.folder": str(folder),
        "data.template": "subject",
        "data.width": 64,
        "data.height": 64,
        "optim.lr": "0.005:10, 1e-3",
        "optim.steps": 4,
        "preview.every": 0,
        "preview.steps": 2,
        "save.every": 0,
        "save.folder": str(tmp_path / "embeddings"),
        "save.log_folder": str(tmp_path / "log"),
        "run.seed": 1,
    }


@pytest.fixture
def paint() -> Callable[..., np.ndarray]:
    """Pictures as a user of the WebUI makes them, [H, W, 3], with every cache of the WebUI at work."""

    def paint(prompt: str, **options: Any) -> np.ndarray:
        from contextlib import closing

        from modules import processing, scripts, shared

        about = {"steps": 2, "seed": 1, "width": 64, "height": 64, "sampler_name": "Euler", "do_not_save_samples": True}
        p = processing.StableDiffusionProcessingTxt2Img(
            sd_model=shared.sd_model, prompt=prompt, do_not_save_grid=True, **{**about, **options}
        )
        p.scripts, p.script_args = scripts.ScriptRunner(), []
        with closing(p):
            image: Image.Image = processing.process_images(p).images[0]
        return np.asarray(image, dtype=np.int16)

    return paint
