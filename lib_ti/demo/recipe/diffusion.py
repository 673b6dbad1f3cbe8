"""Noise, and the way back: the schedule of Stable Diffusion and a DDIM sampler."""

import torch
from diffusers import DDIMScheduler
from torch import Tensor

from lib_ti.demo.recipe.conditioning import condition
from lib_ti.demo.recipe.networks import LATENT_SIZE, Networks
from lib_ti.demo.recipe.vae import decode
from lib_ti.demo.world import Picture

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
