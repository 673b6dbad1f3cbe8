"""What a run asks of the host for a preview, and the file that it becomes."""

from __future__ import annotations

import io

from PIL.Image import Image
from PIL.PngImagePlugin import PngInfo

from lib_ti.dataset.order import sample_prompt
from lib_ti.host import ImageRequest
from lib_ti.training.plan import Plan


def preview_request(plan: Plan) -> ImageRequest:
    """The same for all previews of a run. Its size is the preview's own, else the training size, else the model's."""
    config, name, seed = plan.config, plan.config.embedding.name, plan.start.state.seed
    preview, data = config.preview, config.data
    prompt = preview.prompt.replace("[name]", name) or sample_prompt(plan.dataset, name, data, seed, 0)
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
    info = PngInfo()
    info.add_text("parameters", text)
    file = io.BytesIO()
    image.save(file, "PNG", pnginfo=info)
    return file.getvalue()
