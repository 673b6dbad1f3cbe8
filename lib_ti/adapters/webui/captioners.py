"""Captions and faces by the WebUI's own models, loaded and sent away again as the WebUI does."""

from __future__ import annotations

from collections.abc import Callable
from importlib.util import find_spec
from typing import TYPE_CHECKING

from lib_ti.errors import HostError

if TYPE_CHECKING:
    from PIL.Image import Image

_MODULES = {"Deepbooru": "modules.deepbooru", "BLIP": "modules.interrogate"}


def captioners() -> list[str]:
    """Those that this WebUI has not dropped."""
    return [name for name, module in _MODULES.items() if find_spec(module)]


def caption(image: Image, name: str, given_up: Callable[[], bool]) -> str:
    """Waits for the picture that the WebUI is generating. Raises HostError where its model says nothing, and GivenUp."""
    from modules import shared

    from lib_ti.adapters.webui.queue import turn

    words: str
    with turn(given_up):
        try:
            if name == "Deepbooru":
                from modules import deepbooru

                words = deepbooru.model.tag(image)
            else:
                words = shared.interrogator.interrogate(image)
        except (OSError, RuntimeError, ImportError, ValueError, KeyError, AttributeError) as error:
            message = f"{name} failed in the WebUI: {type(error).__name__}: {error}"
            raise HostError(message, "The WebUI downloads its model when first asked; its log tells more.") from error
    if "<error>" in words:  # what the WebUI's interrogator answers instead of raising
        raise HostError(f"{name} failed in the WebUI.", "Its log tells more.")
    return words


def find_faces(image: Image) -> list[tuple[float, float]] | None:
    """By the detector of the WebUI's own focal crop, which it downloads when first asked; None where it cannot."""
    try:
        from modules.textual_inversion import autocrop

        detector = autocrop.download_and_cache_models()
    except (ImportError, OSError):  # also what requests raises without a connection
        return None
    try:
        faces = autocrop.image_face_points(image, autocrop.Settings(dnn_model_path=detector))
    except autocrop.cv2.error:  # the download was no model
        return None
    return [(float(face.x), float(face.y)) for face in faces]
