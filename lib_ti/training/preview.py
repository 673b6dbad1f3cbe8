"""What a run asks of the host for a preview, and the file that it becomes."""

from __future__ import annotations

from pathlib import Path

import PIL.Image
from PIL.Image import Image

from lib_ti.atomic import write_atomically
from lib_ti.dataset.dataset import sample_prompt
from lib_ti.dataset.template import plain_marks
from lib_ti.host import ImageRequest
from lib_ti.infotext import png_with_infotext
from lib_ti.reading import open_file
from lib_ti.training.plan import Plan

OURS = ("Software", "TI Lab")
"""Of a PNG's texts. A card picture without it was chosen by the user."""

CARD_ENDINGS = [
    f"{middle}.{kind}" for middle in ("", ".preview") for kind in ("jpg", "jpeg", "webp", "avif", "gif")
] + [".png"]
"""The other names under which WebUIs find a card picture."""


def preview_request(plan: Plan) -> ImageRequest:
    """The same for all previews of a run. Its size is the preview's own, else the training size, else the model's."""
    config, name, seed = plan.config, plan.config.embedding.name, plan.start.state.seed
    preview, data = config.preview, config.data
    prompt = plain_marks(preview.prompt).replace("[name]", name) or sample_prompt(plan.dataset, name, seed, 0)
    return ImageRequest(
        prompt=prompt,
        negative=preview.negative,
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
