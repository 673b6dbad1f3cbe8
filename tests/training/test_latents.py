"""A user would lose: the three ways of sampling latents, and transparency that weighs what it should."""

from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from lib_ti.config.train import DataPart
from lib_ti.dataset.scan import scan_dataset
from lib_ti.host import Latents, PictureSize, SessionRequest
from lib_ti.training.latents import CachedPicture, Views, cache_latents, draw_view, loss_mask
from tests.toy_host import ToyHost, ToySession

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


class Sided(ToySession):
    """Its image encoder, as every real one, makes of a mirrored picture something else than mirrored latents."""

    def encode_images(self, pixels: torch.Tensor) -> Latents:
        latents = super().encode_images(pixels)
        return Latents(latents.mean * torch.linspace(1, 2, latents.mean.shape[-1]), latents.std)


def cache(folder: Path, **changes: float) -> tuple[list[Views], list[tuple[int, int]]]:
    """Of a picture 128x64 at 64x64 whose right quarter is white, and what was told of the progress."""
    image = Image.new("RGB", (128, 64))
    image.paste("white", (96, 0, 128, 64))
    (folder / "in").mkdir(exist_ok=True)
    image.save(folder / "in" / "a.png")
    data = DataPart(folder=str(folder / "in"), template="none", fit="crop", **changes)  # type: ignore[arg-type]
    told: list[tuple[int, int]] = []
    session = Sided(ToyHost(folder), SessionRequest("foo", 1))
    dataset = scan_dataset(data, "foo", 64, 8)
    return cache_latents(session, dataset, lambda done, total: told.append((done, total))), told  # type: ignore[arg-type]


def test_every_crop_is_encoded_plain_and_mirrored_with_its_own_place_for_sdxl(tmp_path: Path) -> None:
    (views,), told = cache(tmp_path, flip=0.5, crops=3)
    assert [[view.size.crop_left for view in crop] for crop in views] == [[0, 64], [32, 32], [64, 0]]
    right, mirrored = views[2]
    ramp = torch.linspace(1, 2, 8)
    assert torch.equal(right.mean[0, 0], torch.tensor([-1.0] * 4 + [1.0] * 4) * ramp)
    assert torch.equal(mirrored.mean[0, 0], torch.tensor([1.0] * 4 + [-1.0] * 4) * ramp)
    assert told == [(n, 6) for n in range(7)]


def test_without_flip_and_crops_one_view_is_encoded_and_drawn(tmp_path: Path) -> None:
    (views,), told = cache(tmp_path)
    assert [len(crop) for crop in views] == [1]
    assert views[0][0].size.crop_left == 32
    assert told == [(0, 1), (1, 1)]
    assert draw_view(views, 0.0, 1, 5) is views[0][0]


def test_crops_of_which_a_mask_leaves_nothing_are_not_encoded(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    mask = Image.new("L", (128, 64))
    mask.paste(255, (96, 0, 128, 64))
    mask.save(tmp_path / "in" / "a-masklabel.png")
    (views,), _ = cache(tmp_path, crops=3, flip=1.0)
    assert [view.size.crop_left for crop in views for view in crop] == [64, 0]
    plain, mirrored = (view.mask for view in views[0])
    assert plain is not None
    assert mirrored is not None
    assert torch.equal(mirrored, plain.flip(-1))
    assert plain[0, 0].tolist() == [0.0] * 4 + [2.0] * 4


def test_the_view_of_a_sample_is_a_function_of_seed_and_number(tmp_path: Path) -> None:
    (views,), _ = cache(tmp_path, flip=0.25, crops=3)
    drawn = [draw_view(views, 0.25, 1, n) for n in range(2000)]
    assert [id(draw_view(views, 0.25, 1, n)) for n in reversed(range(2000))] == [id(view) for view in drawn[::-1]]
    counts = Counter(id(view) for view in drawn)
    for crop in views:
        assert counts[id(crop[0])] == pytest.approx(500, abs=75)
        assert counts[id(crop[1])] == pytest.approx(167, abs=50)
    assert {id(draw_view(views, 1.0, 1, n)) for n in range(100)} == {id(crop[1]) for crop in views}
    assert [id(draw_view(views, 0.25, 2, n)) for n in range(2000)] != [id(view) for view in drawn]


def test_a_seed_draws_the_same_views_in_every_version() -> None:
    """Golden values: a change here breaks the resuming of every unfinished run."""
    views: list[list[str]] = [[f"{crop}", f"{crop} mirrored"] for crop in "abc"]
    seen = [draw_view(views, 0.5, 7, n) for n in range(6)]  # type: ignore[arg-type]
    assert seen == ["b mirrored", "a mirrored", "b", "b mirrored", "c mirrored", "a"]
