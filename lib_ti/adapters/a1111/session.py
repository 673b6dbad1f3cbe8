"""Training against the model that the WebUI has loaded."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from typing import Any

from torch import Tensor

from lib_ti.adapters.a1111.conditioning import encode_prompts
from lib_ti.adapters.a1111.model import describe, find_encoders, noise_schedule, unet_dtype
from lib_ti.adapters.a1111.placeholder import placeholder
from lib_ti.adapters.backward import make_ordinary, predict
from lib_ti.adapters.webui.encoding import encode_images
from lib_ti.adapters.webui.memory import manages_memory, place_for_training, place_on_device
from lib_ti.adapters.webui.model import device_of
from lib_ti.adapters.webui.session import WebuiSession
from lib_ti.adapters.webui.settings import options_set
from lib_ti.host import Conditioning, Latents, PictureSize, SessionRequest


class A1111Session(WebuiSession):
    def __init__(self, sd_model: Any, request: SessionRequest) -> None:
        encoder = next(iter(find_encoders(sd_model).values())).wrapper
        super().__init__(sd_model, describe(sd_model), encoder, noise_schedule(sd_model), unet_dtype(sd_model), request)
        self._offloaded = False

    def encode_images(self, pixels: Tensor) -> Latents:
        device = device_of(self._sd_model, "vae", self.device)
        with self._image_encoder() as vae:
            return encode_images(vae, self._sd_model.scale_factor, pixels, device)

    def offload_image_encoder(self) -> None:
        if self.device.type != "cpu" and not manages_memory(self._sd_model) and not self._sd_model.lowvram:
            self._sd_model.first_stage_model.to("cpu")
            self._offloaded = True

    def close(self) -> None:
        if self._offloaded:
            self._sd_model.first_stage_model.to(self.device)

    def predict(self, noisy: Tensor, timesteps: Tensor, conditioning: Conditioning) -> Tensor:
        from modules import devices

        tensors, sd_model = conditioning.tensors, self._sd_model
        if manages_memory(sd_model):
            place_for_training(sd_model, noisy.shape, self.dtype, self._request.checkpointing)
            return predict(sd_model.model.diffusion_model, self.dtype, noisy, timesteps, tensors)
        with devices.autocast():
            # A new dict each time: the WebUI casts its values in place.
            read = dict(tensors) if "vector" in tensors else {"c_crossattn": [tensors["crossattn"]]}
            output: Tensor = sd_model.apply_model(noisy, timesteps, read)
        return output.float()

    def _placeholder(self, vectors: Mapping[str, Tensor]) -> AbstractContextManager[Any]:
        return placeholder(self._sd_model, self._request.placeholder, self._request.vectors, vectors)

    def _encode(self, prompts: Sequence[str], sizes: Sequence[PictureSize]) -> dict[str, Tensor]:
        from modules import devices

        place_on_device(self._sd_model, ["clip"])
        with options_set(CLIP_stop_at_last_layers=self._request.clip_skip), devices.autocast():
            return encode_prompts(self._sd_model, prompts, sizes)

    @contextmanager
    def _ready_to_paint(self) -> Iterator[None]:
        try:
            with self._image_encoder():
                yield
        finally:
            make_ordinary([self._sd_model])

    @contextmanager
    def _image_encoder(self) -> Iterator[Any]:
        """On the device meanwhile."""
        vae = self._sd_model.first_stage_model
        place_on_device(self._sd_model, ["vae"])
        if self._offloaded:
            vae.to(self.device)
        try:
            yield vae
        finally:
            if self._offloaded:
                vae.to("cpu")
