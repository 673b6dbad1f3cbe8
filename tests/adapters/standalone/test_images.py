"""Pictures to latents and back: a scale that is off trains every picture against the wrong noise."""

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

import lib_ti
from lib_ti.adapters.standalone.host import StandaloneHost
from lib_ti.adapters.standalone.source import open_source
from tests.adapters.standalone.conftest import Tiny, open_host

PICTURE = Path(lib_ti.__path__[0]) / "demo" / "pictures" / "01.png"


def test_latents_are_the_autoencoders_distribution_in_the_unets_scale(tiny: Tiny, tmp_path: Path) -> None:
    pixels = torch.rand(2, 3, 64, 64, generator=torch.Generator().manual_seed(0)) * 2 - 1
    latents = open_host(tiny.path, tmp_path)._model.images.encode(pixels)
    with torch.no_grad():
        expected = tiny.networks.vae.encode(pixels).latent_dist
    scale = tiny.config["vae"]["scaling_factor"]
    torch.testing.assert_close(latents.mean, expected.mean * scale, rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(latents.std, expected.std * scale, rtol=1e-4, atol=1e-5)


def test_a_picture_comes_back(tmp_path: Path) -> None:
    host = open_host("demo", tmp_path)
    side = host.model().native_size
    picture = np.asarray(Image.open(PICTURE).convert("RGB").resize((side, side))).copy()
    pixels = torch.from_numpy(picture).permute(2, 0, 1)[None] / 127.5 - 1
    images = host._model.images
    back = np.asarray(images.decode(images.encode(pixels).mean))
    assert back.shape == picture.shape
    assert np.corrcoef(back.ravel(), picture.ravel())[0, 1] > 0.8


@pytest.mark.gpu
def test_an_offloaded_image_encoder_frees_the_card_and_comes_back(tmp_path: Path) -> None:
    images = StandaloneHost(open_source("demo"), "cuda", "fp32", tmp_path, tmp_path)._model.images
    before = torch.cuda.memory_allocated()
    images.offload()
    assert images.offloaded
    assert torch.cuda.memory_allocated() < before
    images.encode(torch.zeros(1, 3, 64, 64))
    assert not images.offloaded
