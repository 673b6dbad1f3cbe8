"""Training against the model that the WebUI has loaded."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from functools import partial
from typing import Any, cast

import torch
from torch import Tensor

from lib_ti.adapters.backward import blocks_of, checkpointed, make_ordinary, norms_kept_whole, predict
from lib_ti.adapters.restore import attributes_set, modules_kept, random_state_kept
from lib_ti.adapters.webui.encoding import encode_as_if_alone, encode_images, pooled_let_go
from lib_ti.adapters.webui.leftovers import use_loras, without_hypertile, without_tiling
from lib_ti.adapters.webui.memory import manages_memory, objects_with_loras, place_for_training, place_on_device
from lib_ti.adapters.webui.model import device_of, next_schedule, text_layers_of
from lib_ti.adapters.webui.session import Placeholders, WebuiSession
from lib_ti.adapters.webui.settings import options_set
from lib_ti.host import Conditioning, Latents, ModelInfo, PictureSize, SessionRequest


@contextmanager
def model_ready(sd_model: Any, checkpointing: bool, loras: str) -> Iterator[None]:
    """Weights frozen; of the last picture nothing is still at work in them, but `loras` are, named as in a prompt.

    The WebUI's faster attention stays on.
    """
    from modules import devices

    with ExitStack() as stack:
        stack.enter_context(random_state_kept(torch.device(devices.device)))
        stack.callback(use_loras, "")
        use_loras(loras)
        stack.enter_context(without_tiling(sd_model))
        stack.enter_context(without_hypertile(sd_model))
        if manages_memory(sd_model):
            stack.enter_context(objects_with_loras(sd_model))
            for part in ("clip", "unet"):
                place_on_device(sd_model, part)
            stack.enter_context(norms_kept_whole(sd_model.model.diffusion_model))
            stack.enter_context(checkpointed(text_layers_of(sd_model)))
        make_ordinary([sd_model])
        stack.enter_context(modules_kept([sd_model]))
        sd_model.requires_grad_(False)
        if checkpointing:
            stack.enter_context(checkpointed(blocks_of(sd_model.model.diffusion_model)))
        yield


class A1111Session(WebuiSession):
    def __init__(
        self,
        sd_model: Any,
        info: ModelInfo,
        encoders: Sequence[Any],
        placeholders: Placeholders,
        request: SessionRequest,
    ) -> None:
        # The model's own field is the last picture's.
        own = getattr(sd_model, "alphas_cumprod_original", sd_model.alphas_cumprod)
        alphas_cumprod = next_schedule(sd_model, own)
        super().__init__(sd_model, info, encoders, placeholders, request, alphas_cumprod, _unet_dtype(sd_model))
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

    def _encode(self, prompts: Sequence[str], sizes: Sequence[PictureSize]) -> dict[str, Tensor]:
        from modules import devices

        place_on_device(self._sd_model, "clip")
        with (
            options_set(CLIP_stop_at_last_layers=self._request.clip_skip),
            devices.autocast(),
            pooled_let_go(self._encoders),
        ):
            return encode_as_if_alone(partial(_encode_together, self._sd_model), prompts, sizes)

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
        place_on_device(self._sd_model, "vae")
        if self._offloaded:
            vae.to(self.device)
        try:
            yield vae
        finally:
            if self._offloaded:
                vae.to("cpu")


def _unet_dtype(sd_model: Any) -> torch.dtype:
    """In which its UNet computes."""
    from modules import devices

    if not manages_memory(sd_model):
        return cast("torch.dtype", devices.dtype_unet)
    unet = sd_model.forge_objects.unet.model
    return cast("torch.dtype", unet.manual_cast_dtype or unet.get_dtype())


def _encode_together(sd_model: Any, prompts: Sequence[str], sizes: Sequence[PictureSize]) -> dict[str, Tensor]:
    """`crossattn` [B, T, D], and for SDXL `vector` [B, 2816]: the pooled output, then the sizes. With gradients."""
    conditioner = getattr(sd_model, "conditioner", None)
    if conditioner is None:
        return {"crossattn": sd_model.cond_stage_model(list(prompts))}
    from modules import devices, shared

    def rows(numbers: list[tuple[int, int]]) -> Tensor:
        return torch.tensor(numbers, dtype=torch.float32, device=devices.device)

    encoders = [part for part in conditioner.embedders if hasattr(part, "tokenize_line")]
    # Their weights are frozen all the same: "trainable" is the WebUI's word for running with gradients at all.
    with attributes_set(encoders, is_trainable=True, ucg_rate=0.0):
        batch = {
            "txt": list(prompts),
            "original_size_as_tuple": rows([(size.original_height, size.original_width) for size in sizes]),
            "crop_coords_top_left": rows([(size.crop_top, size.crop_left) for size in sizes]),
            "target_size_as_tuple": rows([(size.target_height, size.target_width) for size in sizes]),
            "aesthetic_score": torch.tensor(
                [[shared.opts.sdxl_refiner_high_aesthetic_score]] * len(sizes), device=devices.device
            ),
        }
        return dict(conditioner(batch))
