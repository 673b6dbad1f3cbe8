"""Training against the loaded model."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from PIL import Image
from torch import Tensor

from lib_ti.adapters.standalone.model import Model
from lib_ti.adapters.standalone.prompts import Names, count_rows
from lib_ti.adapters.standalone.text import Vectors
from lib_ti.embedding.embedding import Embedding
from lib_ti.host import Conditioning, ImageRequest, Latents, PictureSize, SessionRequest


class StandaloneSession:
    """The other embeddings of the folder work in prompts too, as they were when the session began."""

    def __init__(self, model: Model, request: SessionRequest, others: Mapping[str, Embedding]) -> None:
        self.device = model.device
        self.dtype = model.dtype
        self.prediction_type = model.detected.prediction_type
        self.alphas_cumprod = model.alphas_cumprod
        self._model = model
        self._request = request
        self._others = {name: other.vectors for name, other in others.items() if name != request.placeholder}
        rows = {name: other.rows for name, other in others.items() if name != request.placeholder}
        self._names = Names(rows | {request.placeholder: request.vectors})

    def encode_images(self, pixels: Tensor) -> Latents:
        return self._model.images.encode(pixels)

    def offload_image_encoder(self) -> None:
        self._model.images.offload()

    def placeholder_rows(self, prompt: str) -> int:
        return count_rows(prompt, self._names, self._request.placeholder)

    def encode_prompts(
        self, prompts: Sequence[str], vectors: Mapping[str, Tensor], sizes: Sequence[PictureSize]
    ) -> Conditioning:
        return self._model.prompts.encode(prompts, self._names, self._with(vectors), sizes, self._request.clip_skip)

    def predict(self, noisy: Tensor, timesteps: Tensor, conditioning: Conditioning) -> Tensor:
        return self._model.predict(noisy, timesteps, conditioning)

    def preview(self, request: ImageRequest, vectors: Mapping[str, Tensor]) -> Image.Image:
        away = self._model.images.offloaded
        try:
            return self._model.generate(request, self._names, self._with(vectors))
        finally:
            if away:
                self._model.images.offload()

    def interrupted(self) -> bool:
        return False

    def show_progress(self, done: int, total: int) -> None:
        """There is nobody to show it to."""

    def check(self) -> None:
        """Nothing can change the model of this host."""

    def _with(self, vectors: Mapping[str, Tensor]) -> Vectors:
        return {**self._others, self._request.placeholder: vectors}
