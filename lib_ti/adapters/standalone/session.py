"""Training against the loaded model, among the embeddings of a folder."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from PIL import Image
from torch import Tensor

from lib_ti.adapters.standalone.chunks import Names, count_rows
from lib_ti.adapters.standalone.model import Model
from lib_ti.embedding.embedding import Embedding
from lib_ti.errors import InvalidEmbedding
from lib_ti.formats.files import load_embedding
from lib_ti.host import Conditioning, ImageRequest, Latents, ModelInfo, PictureSize, SessionRequest, Vectors

_SUFFIXES = (".safetensors", ".pt", ".bin", ".png", ".webp")


class StandaloneSession:
    """The other embeddings of the folder work in prompts too, as they were when the session began."""

    def __init__(self, model: Model, request: SessionRequest, others: Mapping[str, Embedding]) -> None:
        self.device = model.device
        self.dtype = model.dtype
        self.prediction_type = model.detected.prediction_type
        self.alphas_cumprod = model.alphas_cumprod
        self._model = model
        self._request = request
        self._others = {name: other.vectors for name, other in others.items()}
        self._names = names_in_training(others, request)

    def encode_images(self, pixels: Tensor) -> Latents:
        return self._model.images.encode(pixels)

    def offload_image_encoder(self) -> None:
        self._model.images.offload()

    def placeholder_rows(self, prompt: str) -> dict[str, int]:
        return {name: count_rows(prompt, self._names, name) for name in self._request.rows}

    def encode_prompts(self, prompts: Sequence[str], vectors: Vectors, sizes: Sequence[PictureSize]) -> Conditioning:
        known = {**self._others, **vectors}
        return self._model.prompts.encode(prompts, self._names, known, sizes, self._request.clip_skip)

    def predict(self, noisy: Tensor, timesteps: Tensor, conditioning: Conditioning) -> Tensor:
        return self._model.predict(noisy, timesteps, conditioning)

    def preview(self, request: ImageRequest, vectors: Vectors) -> Image.Image:
        away = self._model.images.offloaded
        try:
            return self._model.generate(request, self._names, {**self._others, **vectors})
        finally:
            if away:
                self._model.images.offload()

    def interrupted(self) -> bool:
        return False

    def show_progress(self, done: int, total: int) -> None:
        """There is nobody to show it to."""

    def check(self) -> None:
        """Nothing can change the model of this host."""


def names_in_training(others: Mapping[str, Embedding], request: SessionRequest) -> Names:
    """What prompts of a session know: `others` by name, and those in training, which win."""
    rows = {name: other.rows for name, other in others.items() if name not in request.rows}
    return Names(rows | request.rows)


class EmbeddingFolder:
    """What lies under `folder`, without the copies of runs under `besides`. A file is read again only when it has changed, and
    what it was before is let go of, as is what is gone."""

    def __init__(self, folder: Path, besides: Path) -> None:
        self._folder, self._besides = folder, besides
        self._known: dict[Path, tuple[int, int, Embedding | None]] = {}

    def fitting(self, model: ModelInfo) -> dict[str, Embedding]:
        """Every embedding that fits `model`, by the name that prompts call it.

        Those for other models, and files that are none, are passed over. Of two with one name the one nearer to the top wins.
        """
        known: dict[Path, tuple[int, int, Embedding | None]] = {}
        found: dict[str, Embedding] = {}
        for path in sorted(self._folder.rglob("*"), key=lambda path: (len(path.parts), path)):
            if path.suffix.lower() not in _SUFFIXES or not path.is_file() or self._besides in path.parents:
                continue
            try:
                status = path.stat()
                changed, size, embedding = self._known.get(path, (0, 0, None))
                if (changed, size) != (status.st_mtime_ns, status.st_size):
                    embedding = _load(path)
                known[path] = status.st_mtime_ns, status.st_size, embedding
                if embedding:
                    found.setdefault(embedding.name, embedding.fit_to(model))
            except (InvalidEmbedding, OSError):  # it fits another model, or went away meanwhile
                continue
        self._known = known  # in one go: several threads may look
        return found


def _load(path: Path) -> Embedding | None:
    """None for a file that is no embedding."""
    try:
        return load_embedding(path)
    except InvalidEmbedding:
        return None
