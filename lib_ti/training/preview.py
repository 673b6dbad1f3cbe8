"""What a run asks of the host for a preview, and the file that it becomes."""

from __future__ import annotations

from pathlib import Path

import PIL.Image
from PIL.Image import Image

from lib_ti.atomic import write_atomically
from lib_ti.dataset.dataset import sample_prompt
from lib_ti.dataset.scan import called
from lib_ti.dataset.template import compose_prompt, plain_marks
from lib_ti.host import ImageRequest
from lib_ti.infotext import png_with_infotext
from lib_ti.reading import open_file
from lib_ti.training.plan import Plan, prompts_of

OURS = ("Software", "TI Lab")
"""Of a PNG's texts. A card picture without it was chosen by the user."""

CARD_ENDINGS = [
    f"{middle}.{kind}" for middle in ("", ".preview") for kind in ("jpg", "jpeg", "webp", "avif", "gif")
] + [".png"]
"""The other names under which WebUIs find a card picture."""


def preview_requests(plan: Plan) -> dict[str, ImageRequest]:
    """The same for all previews of a run: a picture for each embedding that prompts call, by name; a single one where the preview's
    own prompt has no [name], and of a negative embedding alone, for whose prompt [name] is nothing. Each in the preview's own size,
    else the training size, else the model's."""
    preview, names = plan.config.preview, plan.config.embedding.called
    line = plain_marks(preview.prompt)
    if plan.config.embedding.negative == "alone" or (line and "[name]" not in line):
        return {names[0]: _request(plan, compose_prompt(line, "", "", names))}
    return {name: _request(plan, compose_prompt(line, name, "", names) or _prompt_of(plan, name)) for name in names}


def _prompt_of(plan: Plan, name: str) -> str:
    """One of the data set's that calls an embedding: that of the run's first sample, if it does."""
    first = plan.config.embedding.name
    prompts = (sample_prompt(plan.dataset, first, plan.start.state.seed, 0), *prompts_of(plan.dataset, first))
    return next((prompt for prompt in prompts if name in called(prompt, plan.config.embedding.called)), prompts[0])


def _request(plan: Plan, prompt: str) -> ImageRequest:
    config, seed = plan.config, plan.start.state.seed
    preview, data = config.preview, config.data
    return ImageRequest(
        prompt=prompt,
        negative=", ".join(filter(None, (config.embedding.in_negative, preview.negative))),
        steps=preview.steps,
        cfg=preview.cfg,
        sampler=preview.sampler,
        seed=preview.seed if preview.seed >= 0 else seed % 2**32,
        width=preview.width or data.width,
        height=preview.height or data.height,
        clip_skip=config.run.clip_skip,
    )


def preview_png(image: Image, text: str) -> bytes:
    """`text` is the infotext."""
    return png_with_infotext(image, text, dict([OURS]))


def card_path(embedding: Path) -> Path:
    """Where WebUIs look for the picture that stands for an embedding in their lists."""
    return embedding.with_name(f"{embedding.stem}.preview.png")


def save_card(png: bytes, embedding: Path) -> bool:
    """Make a preview the card picture of an embedding, unless the user has given it one."""
    path = card_path(embedding)
    others = [embedding.with_name(f"{embedding.stem}{ending}") for ending in CARD_ENDINGS]
    if any(other.exists() for other in others) or not _is_ours(path):
        return False
    write_atomically(path, png)
    return True


def _is_ours(path: Path) -> bool:
    """Or not there at all."""
    try:
        with open_file(path) as file, PIL.Image.open(file) as picture:
            return picture.info.get(OURS[0]) == OURS[1]
    except FileNotFoundError:
        return True
    except (OSError, ValueError, PIL.Image.DecompressionBombError):
        return False
