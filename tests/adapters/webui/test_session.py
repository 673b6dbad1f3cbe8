"""A user would lose: training where the WebUI has its text encoders on another device than the UNet."""

from collections.abc import Iterator
from contextlib import contextmanager
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import Tensor

from lib_ti.adapters.webui.session import WebuiSession
from lib_ti.errors import HostError
from lib_ti.host import PictureSize, SessionRequest, Vectors

ELSEWHERE = torch.device("meta")  # stands for an accelerator


class _Session(WebuiSession):
    """Its text encoder is on the CPU."""

    def __init__(self) -> None:
        self.device = ELSEWHERE
        self._request = SessionRequest("foo", 2)
        self._encoders = [SimpleNamespace(tokenize_line=lambda line: ([self.chunk], len(line)))]

    @contextmanager
    def _placeholders(self, vectors: Vectors) -> Iterator[dict[str, Any]]:
        self.vectors, embedding = vectors["foo"], SimpleNamespace(vectors=2)
        self.chunk = SimpleNamespace(tokens=[0] * 77, fixes=[SimpleNamespace(offset=0, embedding=embedding)])
        yield {"foo": embedding}

    def _encode(self, prompts: Any, sizes: Any) -> dict[str, Tensor]:
        return {"crossattn": self.vectors["clip_l"].sum().expand(1, 77, 4), "vector": torch.zeros(1, 8)}

    encode_images = offload_image_encoder = predict = NotImplemented


def test_what_the_text_encoders_say_is_handed_to_the_unet_on_its_device() -> None:
    vectors = {"foo": {"clip_l": torch.ones(2, 4, requires_grad=True)}}
    conditioning = _Session().encode_prompts(["a"], vectors, [PictureSize(8, 8, 0, 0, 8, 8)])  # type: ignore[abstract]
    assert {tensor.device for tensor in conditioning.tensors.values()} == {ELSEWHERE}
    assert conditioning.tensors["crossattn"].requires_grad


class _LosingSession(_Session):
    """Something in the WebUI drops the placeholder from its list each time."""

    @contextmanager
    def _placeholders(self, vectors: Vectors) -> Iterator[dict[str, Any]]:
        with super()._placeholders(vectors) as ours:
            self.chunk.fixes = []
            yield ours


def test_a_placeholder_that_is_never_found_ends_the_run_with_a_reason_and_not_in_a_recursion() -> None:
    with pytest.raises(HostError, match="does not find foo"):
        _LosingSession().encode_prompts(["a"], {"foo": {"clip_l": torch.ones(2, 4)}}, [PictureSize(8, 8, 0, 0, 8, 8)])  # type: ignore[abstract]
