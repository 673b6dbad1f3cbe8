"""The text that WebUIs keep in a picture: its prompt and settings, in A1111's form. Expressions stay as they were typed."""

from lib_ti.expression.infotext import NEGATIVE, PROMPT, exact_prompts, write_infotext
from lib_ti.host import ImageRequest, ModelInfo


def infotext(request: ImageRequest, model: ModelInfo) -> str:
    prompts = {PROMPT: request.prompt, NEGATIVE: request.negative}
    settings = {
        "Steps": str(request.steps),
        "Sampler": request.sampler,
        "CFG scale": f"{request.cfg:g}",
        "Seed": str(request.seed),
        "Size": f"{request.width or model.native_size}x{request.height or model.native_size}",
        "Model hash": model.short_hash,
        "Model": model.name,
        "Clip skip": str(request.clip_skip) if request.clip_skip > 1 else "",
    }
    return write_infotext(prompts | {key: value for key, value in settings.items() if value} | exact_prompts(prompts))
