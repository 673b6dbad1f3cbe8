"""Training against the model that Forge has loaded."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from typing import Any

import torch
from torch import Tensor

from lib_ti.adapters.backward import blocks_of, checkpointed, make_ordinary, norms_kept_whole, predict
from lib_ti.adapters.restore import attributes_set, modules_kept, random_state_kept
from lib_ti.adapters.webui.encoding import encode_as_if_alone, encode_images, pooled_let_go
from lib_ti.adapters.webui.leftovers import use_loras, without_tiling
from lib_ti.adapters.webui.memory import objects_with_loras, place_for_training, place_on_device
from lib_ti.adapters.webui.model import device_of, networks_of, next_schedule, text_layers_of
from lib_ti.adapters.webui.session import Placeholders, WebuiSession
from lib_ti.host import Conditioning, Latents, ModelInfo, PictureSize, SessionRequest


@contextmanager
def model_ready(sd_model: Any, engines: Sequence[Any], checkpointing: bool, loras: str) -> Iterator[None]:
    """Weights frozen and fit for gradients; no LoRAs of the last picture in them, but `loras`, named as in a prompt.

    `engines` are Forge's objects around its text encoders.
    """
    from modules import devices

    unet = sd_model.forge_objects.unet.model.diffusion_model
    with ExitStack() as stack:
        stack.enter_context(random_state_kept(torch.device(devices.device)))
        stack.enter_context(without_tiling(sd_model))
        stack.callback(use_loras, "")
        use_loras(loras)
        stack.enter_context(objects_with_loras(sd_model))
        with _quiet(engines):
            for part in ("clip", "unet"):
                place_on_device(sd_model, part)
        networks = networks_of(sd_model)
        make_ordinary(networks)
        stack.enter_context(modules_kept(networks))
        for network in networks:
            network.requires_grad_(False)
        stack.enter_context(norms_kept_whole(unet))
        stack.enter_context(_loras_merged_with_gradients())
        stack.enter_context(checkpointed(text_layers_of(sd_model)))
        if checkpointing:
            stack.enter_context(checkpointed(blocks_of(unet)))
        yield


class ForgeSession(WebuiSession):
    def __init__(
        self,
        sd_model: Any,
        info: ModelInfo,
        engines: Sequence[Any],
        placeholders: Placeholders,
        request: SessionRequest,
    ) -> None:
        from modules import sd_models

        unet = sd_model.forge_objects.unet.model
        alphas_cumprod = next_schedule(sd_model, unet.predictor.alphas_cumprod)
        super().__init__(sd_model, info, engines, placeholders, request, alphas_cumprod, unet.computation_dtype)
        self._parameters = dict(sd_models.model_data.forge_loading_parameters)

    def encode_images(self, pixels: Tensor) -> Latents:
        vae = self._sd_model.forge_objects.vae.first_stage_model
        with _quiet(self._encoders):
            place_on_device(self._sd_model, "vae")
        device = device_of(self._sd_model, "vae", self.device)
        return encode_images(vae, vae.process_in(1.0) - vae.process_in(0.0), pixels, device)

    def offload_image_encoder(self) -> None:
        """Forge sends it away itself when it needs the room."""

    def predict(self, noisy: Tensor, timesteps: Tensor, conditioning: Conditioning) -> Tensor:
        unet = self._sd_model.forge_objects.unet.model.diffusion_model
        with _quiet(self._encoders):
            place_for_training(self._sd_model, noisy.shape, self.dtype, self._request.checkpointing)
        return predict(unet, self.dtype, noisy, timesteps, conditioning.tensors)

    def _encode(self, prompts: Sequence[str], sizes: Sequence[PictureSize]) -> dict[str, Tensor]:
        with ExitStack() as stack:
            for engine in self._encoders:
                # Its emphasis holds on to the last prompt, and thereby to all that the gradient of one keeps.
                stack.enter_context(attributes_set([engine], clip_skip=engine.clip_skip, emphasis=engine.emphasis))
            self._sd_model.set_clip_skip(self._request.clip_skip)
            stack.enter_context(_quiet(self._encoders))
            stack.enter_context(pooled_let_go(self._encoders))
            return encode_as_if_alone(self._encode_together, prompts, sizes)

    def _encode_together(self, prompts: Sequence[str], sizes: Sequence[PictureSize]) -> dict[str, Tensor]:
        """`crossattn` [B, T, D], and for SDXL `vector` [B, 2816]: the pooled output, then the sizes. With gradients."""
        # Forge wraps it in inference mode, which no gradient leaves.
        encoded = type(self._sd_model).get_learned_conditioning.__wrapped__(self._sd_model, list(prompts))
        if isinstance(encoded, Tensor):
            return {"crossattn": encoded}
        return {"crossattn": encoded["crossattn"], "vector": self._with_sizes(encoded["vector"], sizes)}

    def _with_sizes(self, vector: Tensor, sizes: Sequence[PictureSize]) -> Tensor:
        """Forge gives all prompts of a call one size; each picture has its own."""
        rows = [
            (s.original_height, s.original_width, s.crop_top, s.crop_left, s.target_height, s.target_width)
            for s in sizes
        ]
        numbers = torch.tensor(rows, dtype=torch.float32).flatten()
        embedded = self._sd_model.embedder(numbers).reshape(len(rows), -1).to(vector)
        return torch.cat([vector[:, : -embedded.shape[1]], embedded], dim=1)

    @contextmanager
    def _ready_to_paint(self) -> Iterator[None]:
        try:
            with _checkpoint_pinned(self._parameters):
                yield
        finally:
            make_ordinary(networks_of(self._sd_model))


def _loras_merged_with_gradients() -> AbstractContextManager[None]:
    """Where Forge merges LoRAs anew at each use of a weight ("fp16 LoRA"), it does so in inference mode."""
    parts = [part for name, part in list(sys.modules.items()) if name.startswith("backend.")]
    owners = [part for part in parts if hasattr(part, "merge_lora_to_weight")]
    merge = next((owner.merge_lora_to_weight for owner in owners), None)
    return attributes_set(owners, merge_lora_to_weight=getattr(merge, "__wrapped__", merge))


@contextmanager
def _checkpoint_pinned(parameters: dict[str, Any]) -> Iterator[None]:
    """A picture meanwhile is made by the model of these loading parameters; a choice that the user makes is for the next."""
    from modules import sd_models

    data = sd_models.model_data
    chosen = data.forge_loading_parameters
    data.forge_loading_parameters = parameters
    try:
        yield
    finally:
        if data.forge_loading_parameters is parameters:
            data.forge_loading_parameters = chosen


@contextmanager
def _quiet(engines: Sequence[Any]) -> Iterator[None]:
    """Nothing that Forge says about our prompts reaches the console, nor the infotext of the user's next picture."""
    from backend import args, memory_management

    owners = list({sys.modules[type(engine).__module__] for engine in engines})
    notes = [owner for owner in (*owners, args.dynamic_args) if hasattr(owner, "last_extra_generation_params")]
    with ExitStack() as stack:
        stack.enter_context(attributes_set([*owners, memory_management], print=lambda *texts, **options: None))
        stack.enter_context(attributes_set(notes, last_extra_generation_params={}))
        yield
