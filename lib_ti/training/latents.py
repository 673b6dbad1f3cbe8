"""Pictures as latents: encoded once, kept with their variance, so that a new draw of a picture costs nothing.

A picture that is trained on mirrored or in several crops is encoded in each of these views: mirrored latents are not those of a
mirrored picture.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F

from lib_ti.chance import chance, generator
from lib_ti.dataset.dataset import Dataset
from lib_ti.dataset.picture import LoadedPicture, load_picture
from lib_ti.host import PictureSize, TrainingSession


@dataclass(frozen=True)
class CachedPicture:
    """`mean`, `std`: [C, h, w] float32 on the session's device; `mask`: [1, h, w] with a mean of 1, or None for an even picture."""

    mean: torch.Tensor
    std: torch.Tensor
    mask: torch.Tensor | None
    size: PictureSize

    def draw(self, sampling: str, seed: int, picture: int, sample: int) -> torch.Tensor:
        """[C, h, w]: the mean (deterministic), one draw a picture for the run (once), or a new one a sample (random)."""
        if sampling == "deterministic":
            return self.mean
        counters = ("picture", picture) if sampling == "once" else ("sample", sample)
        drawn = torch.randn(self.mean.shape, generator=generator("latents", seed, *counters))
        return self.mean + self.std * drawn.to(self.mean.device)


Views = Sequence[Sequence[CachedPicture]]
"""Of one picture: its crops, each as it is and, where any sample is mirrored, mirrored."""


def draw_view(views: Views, flip: float, seed: int, sample: int) -> CachedPicture:
    """The crop of sample number `sample`, mirrored by chance `flip`."""
    rng = chance(seed, "view", sample)
    crop = views[rng.randrange(len(views))]
    return crop[rng.random() < flip] if flip else crop[0]


def cache_latents(session: TrainingSession, dataset: Dataset, progress: Callable[[int, int], None]) -> list[Views]:
    """Encode every picture, one view at a time: the image encoder's memory is the run's peak on small devices."""
    cached: list[Views] = []
    done, total = 0, dataset.views
    for picture in dataset.pictures:
        crops, data = [], dataset.source_of(picture).data
        for fit in picture.crops:
            loaded = load_picture(picture.path, fit, data.alpha_weight, picture.mask)
            views = []
            for view in (loaded, loaded.mirrored(fit)) if data.flip else (loaded,):
                progress(done, total)
                done += 1
                views.append(_encode(session, view))
            crops.append(views)
        cached.append(crops)
    progress(total, total)
    return cached


def _encode(session: TrainingSession, loaded: LoadedPicture) -> CachedPicture:
    latents = session.encode_images(torch.from_numpy(loaded.pixels)[None])
    mean, std = latents.mean[0].to(session.device), latents.std[0].to(session.device)
    mask = None
    if loaded.weights is not None:
        mask = loss_mask(loaded.weights, mean.shape[-2], mean.shape[-1]).to(session.device)
    return CachedPicture(mean, std, mask, loaded.size)


def loss_mask(weights: np.ndarray, height: int, width: int) -> torch.Tensor:
    """Loss weights [1, h, w] float32 with a mean of 1 from weights of pixels [H, W] in 0..1, each cell the mean of its pixels.

    A picture of which nothing counts has nothing to teach; it is weighted evenly, as if it had no weights.
    """
    cells = F.adaptive_avg_pool2d(torch.from_numpy(weights).float()[None], (height, width))
    mean = cells.mean()
    return cells / mean if mean > 0 else torch.ones_like(cells)
