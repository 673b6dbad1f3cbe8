"""The plainest textual inversion, to measure the demo models by; the product's own training lives in lib_ti.training."""

import random

import torch
from torch import Tensor

from lib_ti.demo.recipe.conditioning import condition, placeholder
from lib_ti.demo.recipe.diffusion import TIMESTEPS, build_scheduler
from lib_ti.demo.recipe.networks import Networks
from lib_ti.demo.recipe.vae import encode, pictures_to_pixels
from lib_ti.demo.recipe.vocabulary import word_ids
from lib_ti.demo.world import Picture

TEMPLATES = (
    "a photo of a *",
    "a rendering of a *",
    "a cropped photo of the *",
    "the photo of a *",
    "a photo of my *",
    "a close-up photo of a *",
    "a good photo of the *",
    "a photo of one *",
)


def word_vectors(networks: Networks, word: str) -> list[Tensor]:
    [token] = word_ids(word)
    return [text.get_input_embeddings().weight[token].detach().clone() for text in networks.texts()]


class FixedBatch:
    """The mean error on the same pictures, noises and timesteps every time: 8 strata of t for each picture."""

    def __init__(self, networks: Networks, pictures: Picture, seed: int = 1234, strata: int = 8) -> None:
        self.networks = networks
        latents = encode(networks.vae, pictures_to_pixels(pictures)).repeat_interleave(strata, 0)
        generator = torch.Generator().manual_seed(seed)
        spread = torch.arange(len(latents)) % strata + torch.rand(len(latents), generator=generator)
        self.timesteps = (spread / strata * TIMESTEPS).long()
        self.noise = torch.randn(latents.shape, generator=generator)
        self.noisy = build_scheduler().add_noise(latents, self.noise, self.timesteps)

    @torch.no_grad()
    def error(self, prompt: str) -> float:
        told = condition(self.networks, [prompt]).expand(len(self.noisy))
        return float((told.predict(self.networks.unet, self.noisy, self.timesteps) - self.noise).pow(2).mean())


def invert(
    networks: Networks, pictures: Picture, init: str, steps: int, seed: int, rate: float = 1e-2, batch: int = 8
) -> list[Tensor]:
    """One vector an encoder, learned by AdamW from pictures [B, H, W, 3]."""
    rng = random.Random(seed)
    torch.manual_seed(seed)
    latents = encode(networks.vae, pictures_to_pixels(pictures))
    vectors = [vector.requires_grad_(True) for vector in word_vectors(networks, init)]
    optimizer = torch.optim.AdamW(vectors, rate, weight_decay=0)
    scheduler = build_scheduler()
    for _ in range(steps):
        clean = latents[torch.randint(0, len(latents), (batch,))]
        timesteps = torch.randint(0, TIMESTEPS, (batch,))
        noise = torch.randn(clean.shape)
        with placeholder(networks, vectors):
            told = condition(networks, [rng.choice(TEMPLATES) for _ in range(batch)])
        prediction = told.predict(networks.unet, scheduler.add_noise(clean, noise, timesteps), timesteps)
        loss = (prediction - noise).pow(2).mean()
        optimizer.zero_grad()
        torch.autograd.backward(loss)
        optimizer.step()
    return [vector.detach() for vector in vectors]
