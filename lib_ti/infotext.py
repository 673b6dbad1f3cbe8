"""The text that WebUIs keep in a picture: its prompt and settings, in A1111's form."""

from lib_ti.host import ImageRequest, ModelInfo


def infotext(request: ImageRequest, model: ModelInfo) -> str:
    settings = {
        "Steps": request.steps,
        "Sampler": request.sampler,
        "CFG scale": f"{request.cfg:g}",
        "Seed": request.seed,
        "Size": f"{request.width or model.native_size}x{request.height or model.native_size}",
        "Model hash": model.short_hash,
        "Model": model.name,
        "Clip skip": request.clip_skip if request.clip_skip > 1 else "",
    }
    negative = [f"Negative prompt: {request.negative}"] if request.negative else []
    return "\n".join(
        [request.prompt, *negative, ", ".join(f"{key}: {value}" for key, value in settings.items() if value != "")]
    )
