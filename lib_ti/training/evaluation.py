"""Honest measurement: the loss on one fixed batch of pictures, noise and timesteps, the same for every prompt.

gap closed = (L_init - L) / (L_init - L_oracle), where the oracle is the prompt in the model's own true words.
"""

from collections.abc import Sequence

import torch

from lib_ti.config.train import LossPart
from lib_ti.host import PictureSize, TrainingSession, Vectors
from lib_ti.training.update import Sample, draw_noise, losses_of


class FixedBatch:
    """`pixels`: pictures [3, H, W] float32 in -1..1, all of one size; each is noised at `draws` stratified timesteps."""

    def __init__(self, session: TrainingSession, pixels: Sequence[torch.Tensor], draws: int = 8, seed: int = 0) -> None:
        self.session = session
        latents = session.encode_images(torch.stack(list(pixels))).mean.to(session.device)
        height, width = pixels[0].shape[-2:]
        self.size = PictureSize(height, width, 0, 0, height, width)
        steps = len(session.alphas_cumprod)
        self.rows = [
            (
                latent,
                draw_noise(latent.shape, 0.0, "evaluation", seed, picture, draw),
                int((draw + 0.5) / draws * steps),
            )
            for picture, latent in enumerate(latents)
            for draw in range(draws)
        ]

    def loss(
        self, prompt: str, vectors: Vectors, at_once: int = 32, negative: str | None = None, guidance: float = 1.0
    ) -> float:
        """Mean squared error of the model's prediction under `prompt`, in which the names of `vectors` stand for them; with
        guidance away from a `negative` prompt where there is one."""
        device = self.session.device
        vectors = {name: {key: value.to(device) for key, value in one.items()} for name, one in vectors.items()}
        samples = [Sample(prompt, self.size, *row, negative=negative) for row in self.rows]
        return float(losses_of(self.session, vectors, samples, at_once, LossPart(guidance=guidance)).loss)


def gap_closed(initial: float, final: float, oracle: float) -> float:
    """The share of the way from the initial loss to the oracle's that training went; 1 is as good as the true words."""
    return (initial - final) / (initial - oracle)
