"""A user would lose: the three ways of sampling latents, and transparency that weighs what it should."""

import numpy as np
import pytest
import torch

from lib_ti.host import PictureSize
from lib_ti.training.latents import CachedPicture, loss_mask

SIZE = PictureSize(64, 64, 0, 0, 64, 64)
PICTURE = CachedPicture(torch.zeros(4, 8, 8), torch.ones(4, 8, 8), None, SIZE)


def test_deterministic_is_the_mean() -> None:
    assert torch.equal(PICTURE.draw("deterministic", 1, 0, 0), PICTURE.mean)


def test_once_is_one_draw_a_picture_and_random_a_new_one_each_time() -> None:
    once = [PICTURE.draw("once", 1, 0, sample) for sample in (3, 9)]
    assert torch.equal(*once)
    assert not torch.equal(once[0], PICTURE.draw("once", 1, 1, 3))
    random = [PICTURE.draw("random", 1, 0, sample) for sample in (3, 9, 3)]
    assert not torch.equal(random[0], random[1])
    assert torch.equal(random[0], random[2])
    assert random[0].std() == pytest.approx(1.0, abs=0.1)


def test_a_seed_draws_the_same_latents_in_every_version() -> None:
    """Golden values: a change here breaks the resuming of every unfinished run."""
    once, random = (PICTURE.draw(sampling, 1, 0, 3)[0, 0, :3].tolist() for sampling in ("once", "random"))
    assert once == pytest.approx([0.669279, 0.431680, 0.038295], abs=1e-5)
    assert random == pytest.approx([-0.556276, -0.300740, -0.217191], abs=1e-5)


def test_a_seed_draws_the_same_latents_on_every_device() -> None:
    """No device but the CPU is asked for chance; one that can draw nothing stands here for all of them."""
    elsewhere = CachedPicture(torch.zeros(4, 8, 8, device="meta"), torch.ones(4, 8, 8, device="meta"), None, SIZE)
    assert elsewhere.draw("random", 1, 0, 3).shape == (4, 8, 8)


def test_opaque_alpha_weighs_evenly_and_no_alpha_is_never_nan() -> None:
    assert torch.equal(loss_mask(np.ones((64, 64), np.float32), 8, 8), torch.ones(1, 8, 8))
    assert torch.equal(loss_mask(np.zeros((64, 64), np.float32), 8, 8), torch.ones(1, 8, 8))


def test_mask_of_a_tall_picture_keeps_its_place_and_a_mean_of_one() -> None:
    alpha = np.zeros((96, 48), np.float32)
    alpha[:24, :12] = 1.0  # a corner, on a shape that is not square
    mask = loss_mask(alpha, 12, 6)
    assert mask.shape == (1, 12, 6)
    assert mask.mean() == pytest.approx(1.0)
    assert mask[0, :3, :2].mean() > 0
    assert mask[0, 3:].max() == 0
    assert mask[0, :, 2:].max() == 0
