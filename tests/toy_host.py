"""A host small enough to train in milliseconds, with real gradients: a tanh text encoder and a two-layer UNet.

It answers the whole protocol of `lib_ti.host`, for one encoder ("sd1") or two with a pooled output ("sdxl").
"""

from __future__ import annotations

import random
import re
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import torch
import torch.nn.functional as F
from PIL import Image

from lib_ti.errors import HostError
from lib_ti.host import (
    Conditioning,
    EncoderInfo,
    ImageRequest,
    Latents,
    ModelInfo,
    PictureSize,
    SessionRequest,
    Vectors,
)

VOCABULARY, TOKENS, CELL = 1000, 24, 8


def words(text: str) -> list[str]:
    return re.findall(r"[\w-]+", text.lower())


def word_id(word: str) -> int:
    return zlib.crc32(word.encode()) % (VOCABULARY - 1) + 1


class ToyHost:
    def __init__(self, folder: Path, family: str = "sd1", prediction_type: str = "epsilon") -> None:
        self.folder, self.family = folder, family
        chance = torch.Generator().manual_seed(5)
        self.widths = {"clip_l": 6} if family == "sd1" else {"clip_l": 6, "clip_g": 5}
        self.tables = {
            name: torch.randn(VOCABULARY, width, generator=chance) * 0.4 for name, width in self.widths.items()
        }
        total = sum(self.widths.values())
        self.mix = torch.randn(total, total, generator=chance) / total**0.5
        self.look = torch.randn(total, 4, generator=chance)
        self.pool = torch.randn(self.widths.get("clip_g", 1) + 6, 4, generator=chance) * 0.3
        self.kernel = torch.randn(4, 4, 3, 3, generator=chance) * 0.2
        self.prediction_type = prediction_type
        self.refreshed = 0
        self.spoil_at: int | None = None  # the update whose prediction becomes NaN
        self.predictions = 0

    def model(self) -> ModelInfo:
        encoders = tuple(EncoderInfo(name, width, 0) for name, width in self.widths.items())
        return ModelInfo("toy", "0123456789", self.family, encoders, self.prediction_type, 64, CELL)  # type: ignore[arg-type]

    def tokenize(self, text: str) -> list[int]:
        return [word_id(word) for word in words(text)]

    def token_text(self, token_id: int) -> str:
        return f"word{token_id}"

    def token_vectors(self, ids: Sequence[int], encoder: str) -> torch.Tensor:
        return self.tables[encoder][list(ids)]

    def all_token_vectors(self, encoder: str) -> torch.Tensor:
        return self.tables[encoder]

    def embeddings_folder(self) -> Path:
        return self.folder / "embeddings"

    def log_folder(self) -> Path:
        return self.folder / "log"

    def template_folders(self) -> list[Path]:
        return [self.folder / "templates"]

    def refresh_embeddings(self) -> None:
        self.refreshed += 1

    def samplers(self) -> list[str]:
        return ["DPM++ 2M"]

    def generate(self, request: ImageRequest, extra: Vectors | None = None) -> Image.Image:
        return Image.new("RGB", (64, 64))

    def validate_session(self, request: SessionRequest) -> None:
        pass

    def placeholder_rows(self, prompts: Sequence[str], request: SessionRequest) -> list[dict[str, int]] | None:
        session = ToySession(self, request)
        return [session.placeholder_rows(prompt) for prompt in prompts]

    def validate_picture(self, request: ImageRequest) -> None:
        if request.sampler not in self.samplers():
            raise HostError(f"There is no sampler called {request.sampler!r}.", "There is: DPM++ 2M")

    @contextmanager
    def training_session(self, request: SessionRequest) -> Iterator[ToySession]:
        yield ToySession(self, request)


class ToySession:
    device, dtype = torch.device("cpu"), torch.float32

    def __init__(self, host: ToyHost, request: SessionRequest) -> None:
        self.host, self.request = host, request
        self.prediction_type = host.prediction_type
        betas = torch.linspace(0.00085**0.5, 0.012**0.5, 1000, dtype=torch.float64) ** 2
        self.alphas_cumprod = torch.cumprod(1 - betas, 0).float()
        self.encoded_prompts = 0

    def check(self) -> None:
        pass

    def interrupted(self) -> bool:
        return False

    def show_progress(self, done: int, total: int) -> None:
        pass

    def offload_image_encoder(self) -> None:
        pass

    def encode_images(self, pixels: torch.Tensor) -> Latents:
        small = F.avg_pool2d(pixels, CELL)
        mean = torch.cat([small, small.mean(1, keepdim=True)], 1)
        return Latents(mean, 0.1 + 0.05 * mean.abs())

    def placeholder_rows(self, prompt: str) -> dict[str, int]:
        seen = words(prompt)[:TOKENS]
        return {name: rows * seen.count(name) for name, rows in self.request.rows.items()}

    def encode_prompts(self, prompts: Sequence[str], vectors: Vectors, sizes: Sequence[PictureSize]) -> Conditioning:
        self.encoded_prompts += len(prompts)
        encoders = self.host.widths
        tokens = torch.stack([torch.cat([self.embed(name, p, vectors) for name in encoders], -1) for p in prompts])
        context = torch.tanh(tokens @ self.host.mix + tokens.mean(1, keepdim=True))
        if self.host.family == "sd1":
            return Conditioning({"crossattn": context})
        pooled = torch.tanh(context[..., -self.host.widths["clip_g"] :].mean(1))
        numbers = torch.tensor(
            [
                [s.original_height, s.original_width, s.crop_top, s.crop_left, s.target_height, s.target_width]
                for s in sizes
            ]
        )
        return Conditioning({"crossattn": context, "vector": torch.cat([pooled, numbers / 100], 1)})

    def embed(self, encoder: str, prompt: str, vectors: Vectors) -> torch.Tensor:
        rows = []
        for word in words(prompt):
            known = vectors[word][encoder] if word in vectors else self.host.token_vectors([word_id(word)], encoder)
            rows.append(known)
        return torch.cat([*rows, self.host.token_vectors([0] * TOKENS, encoder)])[:TOKENS]

    def predict(self, noisy: torch.Tensor, timesteps: torch.Tensor, conditioning: Conditioning) -> torch.Tensor:
        self.host.predictions += 1
        colour = conditioning.tensors["crossattn"].mean(1) @ self.host.look
        if "vector" in conditioning.tensors:
            colour = colour + conditioning.tensors["vector"] @ self.host.pool
        out = F.conv2d(noisy + colour[:, :, None, None], self.host.kernel, padding=1) * (
            1 + timesteps[:, None, None, None] / 1000
        )
        return out * float("nan") if self.host.predictions == self.host.spoil_at else out

    def preview(self, request: ImageRequest, vectors: Vectors) -> Image.Image:
        # As rude as a host may be: it moves every random state that there is.
        torch.manual_seed(request.seed)
        random.seed(request.seed)
        shade = int(sum(float(value.abs().sum()) for one in vectors.values() for value in one.values()) * 10) % 256
        return Image.new("RGB", (64, 64), (shade, 80, 160))
