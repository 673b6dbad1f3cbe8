"""A text model in memory: CLIP's real tokens, and small random tables that are made in milliseconds."""

from collections.abc import Mapping, Sequence

import torch

from lib_ti.adapters.standalone import tokenizer
from lib_ti.host import EncoderInfo, Family, ModelInfo

PADDING = {"clip_l": 49407, "clip_h": 0, "clip_g": 0}
WIDTHS: Mapping[Family, Mapping[str, int]] = {
    "sd1": {"clip_l": 24},
    "sd2": {"clip_h": 32},
    "sdxl": {"clip_l": 24, "clip_g": 40},
}


class SmallTextModel:
    def __init__(self, family: Family = "sd1", vocabulary: int = 49408) -> None:
        generator = torch.Generator().manual_seed(7)
        self.widths = WIDTHS[family]
        self.family = family
        self.tables = {name: torch.randn(vocabulary, width, generator=generator) for name, width in self.widths.items()}

    def model(self) -> ModelInfo:
        encoders = tuple(EncoderInfo(name, width, PADDING[name]) for name, width in self.widths.items())
        return ModelInfo("small", "0123456789", self.family, encoders, "epsilon", 64)

    def tokenize(self, text: str) -> list[int]:
        return tokenizer.tokenize(text)

    def token_text(self, token_id: int) -> str:
        return tokenizer.token_text(token_id)

    def token_vectors(self, ids: Sequence[int], encoder: str) -> torch.Tensor:
        return self.tables[encoder][list(ids)]

    def all_token_vectors(self, encoder: str) -> torch.Tensor:
        return self.tables[encoder].clone()
