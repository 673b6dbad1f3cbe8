"""Pictures by the WebUI's own samplers."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lib_ti.adapters.webui.queue import clear_interrupt, interrupted
from lib_ti.adapters.webui.settings import options_set
from lib_ti.errors import HostError
from lib_ti.host import ImageRequest

if TYPE_CHECKING:
    from PIL.Image import Image


def sampler_names() -> list[str]:
    from modules import sd_samplers

    if hasattr(sd_samplers, "visible_sampler_names"):  # Forge Classic
        return list(sd_samplers.visible_sampler_names())
    return [sampler.name for sampler in sd_samplers.visible_samplers()]


def generate(sd_model: Any, request: ImageRequest, size: int, in_training: bool) -> Image | None:
    """None when the WebUI's Interrupt or Skip cut it short. `size` is the side where the request has none.

    Nothing but the picture comes of it: no file, no "last prompt", nothing cached, and the user's scripts take no part.
    `in_training` keeps LoRAs out and the embeddings as they are.
    """
    from modules import devices, processing, scripts, shared

    validate_sampler(request.sampler)
    knows_schedules = hasattr(processing.StableDiffusionProcessing, "scheduler")  # else a sampler's name says which
    processing_ = processing.StableDiffusionProcessingTxt2Img(
        sd_model=sd_model,
        prompt=request.prompt,
        negative_prompt=request.negative,
        steps=request.steps,
        cfg_scale=request.cfg,
        sampler_name=request.sampler,
        **({"scheduler": "Automatic"} if knows_schedules else {}),
        seed=request.seed,
        width=request.width or size,
        height=request.height or size,
        restore_faces=False,
        tiling=False,
        do_not_save_samples=True,
        do_not_save_grid=True,
        do_not_reload_embeddings=in_training,
        disable_extra_networks=in_training,
    )
    processing_.scripts, processing_.script_args = scripts.ScriptRunner(), []
    # Its own conditioning cache: the shared one knows a prompt by its text and would show an embedding as it was before.
    processing_.cached_c, processing_.cached_uc = [None, None], [None, None]

    state = shared.state
    progress, was_interrupted = state.job_no, interrupted()
    clear_interrupt()  # what was asked before the picture was begun is not meant for it
    # Without the checkpoint pinned, one that was chosen meanwhile would be loaded now.
    pinned = {"sd_model_checkpoint": sd_model.sd_checkpoint_info.title, "CLIP_stop_at_last_layers": request.clip_skip}
    with closing(processing_), options_set(**pinned), _last_prompt_kept():
        try:
            images = processing.process_images(processing_).images
            complete = not (interrupted() or state.skipped)
        except devices.NansException as error:
            raise HostError("The WebUI's picture is not made of numbers.", str(error)) from error
        finally:
            shared.total_tqdm.clear()
            state.interrupted = interrupted() or was_interrupted
            state.skipped, state.job_no = False, progress
    if not complete:
        return None
    image: Image = images[0]
    state.assign_current_image(image)
    return image


@contextmanager
def _last_prompt_kept() -> Iterator[None]:
    """What the WebUI brings back into an empty prompt is the user's own, and not ours."""
    from modules import paths

    file = Path(paths.data_path) / "params.txt"
    kept = file.read_bytes() if file.is_file() else None
    try:
        yield
    finally:
        if kept is None:
            file.unlink(missing_ok=True)
        else:
            file.write_bytes(kept)


def forget_conditioning() -> None:
    """The prompts of the last pictures, which the WebUI keeps encoded by their text alone, are encoded anew."""
    from modules import processing

    for owner, names in (
        (processing.StableDiffusionProcessing, ("cached_c", "cached_uc")),
        (processing.StableDiffusionProcessingTxt2Img, ("cached_hr_c", "cached_hr_uc")),
    ):
        for name in names:
            setattr(owner, name, [None] * len(getattr(owner, name)))


def validate_sampler(name: str) -> None:
    """The WebUI would take another sampler without a word. A schedule may follow the name, as in "DPM++ 2M Karras"."""
    from modules import sd_samplers

    try:
        from modules.sd_schedulers import schedulers
    except ImportError:
        schedulers = []
    known = sd_samplers.all_samplers_map
    schedules = [text for one in schedulers for text in (one.label, one.name, *(one.aliases or []))]
    if name not in known and not any(name.removesuffix(f" {schedule}") in known for schedule in schedules):
        raise HostError(f"This WebUI has no sampler called {name!r}.", "There are: " + ", ".join(sampler_names()))
