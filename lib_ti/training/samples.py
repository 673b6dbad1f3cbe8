"""The pictures of an update: those to be learned, and with each one of the class. What is drawn is a function of the seed and of
how many pictures came before."""

from __future__ import annotations

from collections.abc import Sequence

from lib_ti.config.train import TrainConfig
from lib_ti.dataset.dataset import Dataset, sample_order, sample_prompt
from lib_ti.training.latents import Views, draw_view
from lib_ti.training.update import Sample, draw_noise


def draw_samples(
    dataset: Dataset,
    cache: Sequence[Views],
    config: TrainConfig,
    seed: int,
    first: int,
    timesteps: Sequence[int],
    prior: bool = False,
) -> list[Sample]:
    """Samples `first`, `first` + 1 … of `dataset`, whose latents `cache` has, one for each of `timesteps`.

    Latents [C, h, w] lie on the cache's device, noise of the same shape on the CPU. Those of class pictures (`prior`) get the
    timesteps of the pictures that they go with, and noise of their own.
    """
    embedding, offset, samples = config.embedding, config.loss.noise_offset, []
    picture_of, counters = sample_order(dataset.repeats, seed), ("class", seed) if prior else (seed,)
    for number, timestep in enumerate(timesteps, first):
        index = picture_of(number)
        data = dataset.source_of(dataset.pictures[index]).data
        picture = draw_view(cache[index], data.flip, seed, number)
        prompt = sample_prompt(dataset, embedding.name, seed, number)
        latents = picture.draw(data.latent_sampling, seed, index, number)
        noise = draw_noise(latents.shape, offset, *counters, number)
        samples.append(
            Sample(prompt, picture.size, latents, noise, timestep, picture.mask, embedding.negative_prompt, prior)
        )
    return samples
