"""What the demo's UNets are told (prompts through one encoder as in SD1, or through two as in SDXL), the noise, and the way
back: the schedule of Stable Diffusion and a DDIM sampler."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from lib_ti.adapters.standalone.libraries import DDIMScheduler
from lib_ti.demo.recipe.captions import PLACEHOLDER, prompt_ids, word_ids
from lib_ti.demo.recipe.networks import LATENT_SIZE, Networks
from lib_ti.demo.recipe.vae import decode
from lib_ti.demo.world import SIZE, Picture

Sizes = tuple[int, int, int, int, int, int]
WHOLE: Sizes = (SIZE, SIZE, 0, 0, SIZE, SIZE)  # original height and width, crop top and left, target height and width


@dataclass(frozen=True)
class Conditioning:
    """context [B, 77, D]; SDXL adds pooled [B, D] and sizes [B, 6]."""

    context: Tensor
    pooled: Tensor | None = None
    sizes: Tensor | None = None

    def predict(self, unet: Any, noisy: Tensor, timesteps: Tensor) -> Tensor:
        """The UNet's noise prediction [B, 4, h, w]."""
        added = None if self.pooled is None else {"text_embeds": self.pooled, "time_ids": self.sizes}
        prediction: Tensor = unet(noisy, timesteps, self.context, added_cond_kwargs=added, return_dict=False)[0]
        return prediction

    def expand(self, batch: int) -> "Conditioning":
        """A single prompt's conditioning, for a batch."""
        parts = (self.context, self.pooled, self.sizes)
        return Conditioning(*(None if p is None else p.expand(batch, *p.shape[1:]) for p in parts))  # type: ignore[arg-type]


@contextmanager
def placeholder(networks: Networks, vectors: list[Tensor]) -> Iterator[None]:
    """Inside, PLACEHOLDER means `vectors`: one [D], or one [B, 1, D] to differ by prompt, for each encoder."""
    [token] = word_ids(PLACEHOLDER)

    def replace(vector: Tensor) -> object:
        return lambda _module, args, rows: torch.where((args[0] == token)[..., None], vector, rows)

    hooks = [
        text.get_input_embeddings().register_forward_hook(replace(vector))
        for text, vector in zip(networks.texts(), vectors, strict=True)
    ]
    try:
        yield
    finally:
        for hook in hooks:
            hook.remove()


def sum_words(networks: Networks, weighted: Sequence[Sequence[tuple[str, float]]]) -> list[Tensor]:
    """[B, 1, D] for each encoder: each prompt's weighted sum of word vectors, with gradient to the words."""
    width = max(1, *(len(words) for words in weighted))
    ids, weights = torch.zeros(len(weighted), width, dtype=torch.long), torch.zeros(len(weighted), width, 1)
    for row, words in enumerate(weighted):
        for column, (word, weight) in enumerate(words):
            [ids[row, column]] = word_ids(word)
            weights[row, column] = weight
    tables = [text.get_input_embeddings().weight for text in networks.texts()]
    return [(table[ids.to(table.device)] * weights.to(table.device)).sum(1, keepdim=True) for table in tables]


def condition(networks: Networks, prompts: list[str], sizes: list[Sizes] | None = None) -> Conditioning:
    device = networks.unet.device
    ids = torch.tensor([prompt_ids(p) for p in prompts], device=device)
    if networks.text_2 is None:
        return Conditioning(networks.text(ids).last_hidden_state)
    ids_2 = torch.tensor([prompt_ids(p, pad=0) for p in prompts], device=device)
    first = networks.text(ids, output_hidden_states=True)
    second = networks.text_2(ids_2, output_hidden_states=True)
    context = torch.cat([first.hidden_states[-2], second.hidden_states[-2]], -1)
    numbers = torch.tensor(sizes or [WHOLE] * len(prompts), dtype=torch.float32, device=device)
    return Conditioning(context, second.text_embeds, numbers)


TIMESTEPS = 1000


def build_scheduler() -> DDIMScheduler:
    return DDIMScheduler(
        num_train_timesteps=TIMESTEPS,
        beta_start=0.00085,
        beta_end=0.012,
        beta_schedule="scaled_linear",
        set_alpha_to_one=False,
        steps_offset=1,
        clip_sample=False,
    )


def loss_weights(timesteps: Tensor) -> Tensor:
    """sqrt(1 / SNR(t)), clamped: late timesteps, where a picture's content is settled, count more."""
    kept = build_scheduler().alphas_cumprod.to(timesteps.device)[timesteps]
    weights: Tensor = ((1 - kept) / kept).sqrt().clamp(0.3, 6)
    return weights


@torch.no_grad()
def sample(networks: Networks, prompts: list[str], seed: int, steps: int = 25, guidance: float = 3.0) -> Picture:
    """[B, H, W, 3] pictures of the prompts."""
    scheduler = build_scheduler()
    scheduler.set_timesteps(steps)
    device = networks.unet.device
    told, untold = condition(networks, prompts), condition(networks, [""] * len(prompts))
    shape = (len(prompts), 4, LATENT_SIZE, LATENT_SIZE)
    latents = torch.randn(shape, generator=torch.Generator().manual_seed(seed)).to(device)
    for timestep in scheduler.timesteps:
        steps_at = timestep.to(device).expand(len(prompts))
        base = untold.predict(networks.unet, latents, steps_at)
        prediction = base + guidance * (told.predict(networks.unet, latents, steps_at) - base)
        latents = scheduler.step(prediction, timestep, latents).prev_sample
    pixels = torch.cat([decode(networks.vae, part) for part in torch.split(latents, 16)])
    pictures: Picture = ((pixels + 1) * 127.5).round().byte().permute(0, 2, 3, 1).cpu().numpy()
    return pictures
