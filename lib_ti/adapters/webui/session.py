"""Training against the model that a WebUI has loaded: what is the same in all of them."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from typing import Any

import torch
from PIL.Image import Image
from torch import Tensor

from lib_ti.adapters.restore import random_state_kept
from lib_ti.adapters.webui import queue
from lib_ti.adapters.webui.model import loaded_model
from lib_ti.adapters.webui.placeholder import count_rows
from lib_ti.adapters.webui.txt2img import generate
from lib_ti.errors import HostError
from lib_ti.host import Conditioning, ImageRequest, Latents, ModelInfo, PictureSize, SessionRequest, Vectors

_TRIALS = 10
"""Of encoding prompts while a page has the list of embeddings read anew."""

Placeholders = Callable[[Vectors], AbstractContextManager[dict[str, Any]]]
"""Meanwhile the embeddings in training stand for these vectors in prompts; yields the WebUI's objects for them, by name."""


def empty_vectors(request: SessionRequest) -> Vectors:
    """What stands for the embeddings in training where their rows are only counted."""
    return {name: {"": torch.zeros(rows, 1)} for name, rows in request.rows.items()}


class WebuiSession(ABC):
    """`encoders` are the WebUI's objects around its text encoders, in the order in which prompts go through them."""

    def __init__(
        self,
        sd_model: Any,
        info: ModelInfo,
        encoders: Sequence[Any],
        placeholders: Placeholders,
        request: SessionRequest,
        alphas_cumprod: Tensor,
        dtype: torch.dtype,
    ) -> None:
        from modules import devices

        self.device = torch.device(devices.device)
        self.dtype = dtype
        self.prediction_type = info.prediction_type
        self.alphas_cumprod = alphas_cumprod
        self._native_size = info.native_size
        self._encoders = encoders
        self._placeholders = placeholders
        self._sd_model = sd_model
        self._checkpoint = sd_model.sd_checkpoint_info
        self._request = request

    @abstractmethod
    def encode_images(self, pixels: Tensor) -> Latents: ...

    @abstractmethod
    def offload_image_encoder(self) -> None: ...

    def placeholder_rows(self, prompt: str) -> dict[str, int]:
        with self._placeholders(empty_vectors(self._request)) as ours:
            return {name: count_rows(self._encoders[0], prompt, embedding) for name, embedding in ours.items()}

    def encode_prompts(self, prompts: Sequence[str], vectors: Vectors, sizes: Sequence[PictureSize]) -> Conditioning:
        for _ in range(_TRIALS):
            with self._placeholders(vectors) as ours:
                encoded = self._encode(prompts, sizes)
                lost = [name for name, embedding in ours.items() if not count_rows(self._encoders[0], name, embedding)]
            if not lost:
                return Conditioning({key: tensor.to(self.device) for key, tensor in encoded.items()})
            # A page has had the folder read anew meanwhile, and ours went with the rest.
        raise HostError(
            f"The WebUI does not find {' and '.join(lost)} in a prompt.",
            "Something else changes its list of embeddings all the time: look at its other extensions.",
        )

    @abstractmethod
    def predict(self, noisy: Tensor, timesteps: Tensor, conditioning: Conditioning) -> Tensor: ...

    def preview(self, request: ImageRequest, vectors: Vectors) -> Image | None:
        with random_state_kept(self.device), self._ready_to_paint(), self._placeholders(vectors):
            return generate(self._sd_model, request, self._native_size, in_training=True)

    def check(self) -> None:
        now = loaded_model()
        if now is not self._sd_model or now.sd_checkpoint_info is not self._checkpoint:
            raise HostError(
                f"The WebUI changed its model from {self._checkpoint.model_name} to "
                f"{now.sd_checkpoint_info.model_name} in the middle of the run.",
                "Choose the first one again and resume.",
            )

    def interrupted(self) -> bool:
        return queue.interrupted()

    def show_progress(self, done: int, total: int) -> None:
        queue.show_progress(done, total)

    @abstractmethod
    def _encode(self, prompts: Sequence[str], sizes: Sequence[PictureSize]) -> dict[str, Tensor]: ...

    @contextmanager
    def _ready_to_paint(self) -> Iterator[None]:
        """The model as a picture needs it meanwhile, and as training needs it afterwards."""
        yield
