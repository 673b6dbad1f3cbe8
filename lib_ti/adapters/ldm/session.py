"""Training against the model that the WebUI has loaded."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from typing import Any

import torch
from PIL.Image import Image
from torch import Tensor

from lib_ti.adapters.ldm.conditioning import encode_prompts
from lib_ti.adapters.ldm.images import encode_images
from lib_ti.adapters.ldm.model import describe, find_encoders, loaded_model, noise_schedule
from lib_ti.adapters.ldm.placeholder import count_rows, placeholder
from lib_ti.adapters.restore import random_state_kept
from lib_ti.adapters.webui import job
from lib_ti.adapters.webui.options import options_set
from lib_ti.adapters.webui.picture import generate
from lib_ti.errors import HostError
from lib_ti.host import Conditioning, ImageRequest, Latents, PictureSize, SessionRequest


class LdmSession:
    def __init__(self, sd_model: Any, request: SessionRequest) -> None:
        from modules import devices

        info = describe(sd_model)
        self.device = torch.device(devices.device)
        self.dtype: torch.dtype = devices.dtype_unet
        self.prediction_type = info.prediction_type
        self.alphas_cumprod = noise_schedule(sd_model)
        self._native_size = info.native_size
        self._encoder = next(iter(find_encoders(sd_model).values())).wrapper
        self._sd_model = sd_model
        self._checkpoint = sd_model.sd_checkpoint_info
        self._request = request
        self._offloaded = False

    def encode_images(self, pixels: Tensor) -> Latents:
        with self._image_encoder():
            return encode_images(self._sd_model, pixels, self.device)

    def offload_image_encoder(self) -> None:
        if self.device.type != "cpu" and not self._sd_model.lowvram:
            self._sd_model.first_stage_model.to("cpu")
            self._offloaded = True

    def close(self) -> None:
        if self._offloaded:
            self._sd_model.first_stage_model.to(self.device)

    def placeholder_rows(self, prompt: str) -> int:
        nothing = torch.zeros(self._request.vectors, 1)
        with placeholder(self._sd_model, self._request.placeholder, self._request.vectors, {"": nothing}) as embedding:
            return count_rows(self._encoder, prompt, embedding)

    def encode_prompts(
        self, prompts: Sequence[str], vectors: Mapping[str, Tensor], sizes: Sequence[PictureSize]
    ) -> Conditioning:
        from modules import devices

        with (
            self._placeholder(vectors),
            options_set(CLIP_stop_at_last_layers=self._request.clip_skip),
            devices.autocast(),
        ):
            return Conditioning(encode_prompts(self._sd_model, prompts, sizes))

    def predict(self, noisy: Tensor, timesteps: Tensor, conditioning: Conditioning) -> Tensor:
        from modules import devices

        tensors = conditioning.tensors
        with devices.autocast():
            # A new dict each time: the WebUI casts its values in place.
            read = dict(tensors) if "vector" in tensors else {"c_crossattn": [tensors["crossattn"]]}
            output: Tensor = self._sd_model.apply_model(noisy, timesteps, read)
        return output

    def preview(self, request: ImageRequest, vectors: Mapping[str, Tensor]) -> Image | None:
        with self._placeholder(vectors), self._image_encoder(), random_state_kept(self.device):
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
        return job.interrupted()

    def show_progress(self, done: int, total: int) -> None:
        job.show_progress(done, total)

    def _placeholder(self, vectors: Mapping[str, Tensor]) -> AbstractContextManager[object]:
        return placeholder(self._sd_model, self._request.placeholder, self._request.vectors, vectors)

    @contextmanager
    def _image_encoder(self) -> Iterator[None]:
        """On the device meanwhile."""
        vae = self._sd_model.first_stage_model
        if self._offloaded:
            vae.to(self.device)
        try:
            yield
        finally:
            if self._offloaded:
                vae.to("cpu")
