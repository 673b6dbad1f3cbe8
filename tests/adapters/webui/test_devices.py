"""A user would lose: training where the WebUI has its text encoders or its image encoder on another device than the UNet."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from types import SimpleNamespace
from typing import Any

import torch
from torch import Tensor

from lib_ti.adapters.webui.networks import device_of
from lib_ti.adapters.webui.session import WebuiSession
from lib_ti.host import PictureSize, SessionRequest

ELSEWHERE = torch.device("meta")  # stands for an accelerator


def test_each_part_of_a_forge_model_says_where_it_computes() -> None:
    cpu, part = torch.device("cpu"), SimpleNamespace
    objects = part(
        clip=part(patcher=part(load_device=cpu)),
        vae=part(patcher=part(load_device=cpu)),
        unet=part(load_device=ELSEWHERE),
    )
    forge = part(forge_objects=objects)
    assert [device_of(forge, name, ELSEWHERE) for name in ("clip", "vae", "unet")] == [cpu, cpu, ELSEWHERE]
    assert device_of(part(), "clip", ELSEWHERE) == ELSEWHERE


class _Session(WebuiSession):
    """Its text encoder is on the CPU."""

    def __init__(self) -> None:
        self.device = ELSEWHERE
        self._request = SessionRequest("foo", 2)
        self._encoder = SimpleNamespace(tokenize_line=lambda line: ([self.chunk], len(line)))

    @contextmanager
    def _placeholder(self, vectors: Mapping[str, Tensor]) -> Iterator[Any]:
        self.vectors, embedding = vectors, SimpleNamespace(vectors=2)
        self.chunk = SimpleNamespace(tokens=[0] * 77, fixes=[SimpleNamespace(offset=0, embedding=embedding)])
        yield embedding

    def _encode(self, prompts: Any, sizes: Any) -> dict[str, Tensor]:
        return {"crossattn": self.vectors["clip_l"].sum().expand(1, 77, 4), "vector": torch.zeros(1, 8)}

    encode_images = offload_image_encoder = predict = NotImplemented


def test_what_the_text_encoders_say_is_handed_to_the_unet_on_its_device() -> None:
    vectors = {"clip_l": torch.ones(2, 4, requires_grad=True)}
    conditioning = _Session().encode_prompts(["a"], vectors, [PictureSize(8, 8, 0, 0, 8, 8)])  # type: ignore[abstract]
    assert {tensor.device for tensor in conditioning.tensors.values()} == {ELSEWHERE}
    assert conditioning.tensors["crossattn"].requires_grad
