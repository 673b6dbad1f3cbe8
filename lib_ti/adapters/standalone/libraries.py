"""What is taken of diffusers and transformers.

Both import torchvision wherever it is installed, though nothing here needs it. One that was built for another torch is a
usual fault of environments, and would stop them: it is hidden from them first.
"""

import sys


def hide_unfit_torchvision() -> None:
    """From the imports of this process; what fits, or is not there, stays as it is."""
    try:
        import torchvision  # noqa: F401
    except (ImportError, OSError, RuntimeError, AttributeError):
        sys.modules["torchvision"] = None  # type: ignore[assignment]


hide_unfit_torchvision()

from diffusers import AutoencoderKL, DDIMScheduler, UNet2DConditionModel  # noqa: E402
from diffusers.loaders import single_file_utils  # noqa: E402
from transformers import CLIPTextConfig, CLIPTextModel, CLIPTextModelWithProjection  # noqa: E402

__all__ = [
    "AutoencoderKL",
    "CLIPTextConfig",
    "CLIPTextModel",
    "CLIPTextModelWithProjection",
    "DDIMScheduler",
    "UNet2DConditionModel",
    "single_file_utils",
]
