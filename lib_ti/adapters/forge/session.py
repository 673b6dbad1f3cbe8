"""Training against the model that Forge has loaded."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from typing import Any

import torch
from torch import Tensor

from lib_ti.adapters.backward import make_ordinary, predict
from lib_ti.adapters.forge.conditioning import encode_prompts, quiet
from lib_ti.adapters.forge.model import describe, find_encoders, noise_schedule
from lib_ti.adapters.forge.placeholder import placeholder
from lib_ti.adapters.forge.ready import checkpoint_pinned
from lib_ti.adapters.webui.encoding import encode_images
from lib_ti.adapters.webui.memory import place_for_training, place_on_device
from lib_ti.adapters.webui.model import device_of, networks_of
from lib_ti.adapters.webui.session import WebuiSession
from lib_ti.host import Conditioning, Latents, PictureSize, SessionRequest


class ForgeSession(WebuiSession):
    def __init__(self, sd_model: Any, request: SessionRequest) -> None:
        from modules import sd_models

        encoder = next(iter(find_encoders(sd_model).values())).wrapper
        dtype: torch.dtype = sd_model.forge_objects.unet.model.computation_dtype
        super().__init__(sd_model, describe(sd_model), encoder, noise_schedule(sd_model), dtype, request)
        self._parameters = dict(sd_models.model_data.forge_loading_parameters)

    def encode_images(self, pixels: Tensor) -> Latents:
        vae = self._sd_model.forge_objects.vae.first_stage_model
        with quiet(self._sd_model):
            place_on_device(self._sd_model, ["vae"])
        device = device_of(self._sd_model, "vae", self.device)
        return encode_images(vae, vae.process_in(1.0) - vae.process_in(0.0), pixels, device)

    def offload_image_encoder(self) -> None:
        """Forge sends it away itself when it needs the room."""

    def predict(self, noisy: Tensor, timesteps: Tensor, conditioning: Conditioning) -> Tensor:
        unet = self._sd_model.forge_objects.unet.model.diffusion_model
        with quiet(self._sd_model):
            place_for_training(self._sd_model, noisy.shape, self.dtype, self._request.checkpointing)
        return predict(unet, self.dtype, noisy, timesteps, conditioning.tensors)

    def _placeholder(self, vectors: Mapping[str, Tensor]) -> AbstractContextManager[Any]:
        return placeholder(self._sd_model, self._request.placeholder, self._request.vectors, vectors)

    def _encode(self, prompts: Sequence[str], sizes: Sequence[PictureSize]) -> dict[str, Tensor]:
        return encode_prompts(self._sd_model, prompts, sizes, self._request.clip_skip)

    @contextmanager
    def _ready_to_paint(self) -> Iterator[None]:
        try:
            with checkpoint_pinned(self._parameters):
                yield
        finally:
            make_ordinary(networks_of(self._sd_model))
