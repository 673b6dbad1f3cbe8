"""The files that are shipped: their size, names, metadata and pictures; and, slowly, what the models can do."""

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from safetensors import safe_open

import lib_ti.demo
from lib_ti.demo.concept import PICTURES, draw_pictures
from lib_ti.demo.recipe.build import RECIPES
from lib_ti.demo.recipe.gates import JUDGED, held_out_obeyed, judge_inversion, prompts_obeyed
from lib_ti.demo.recipe.networks import build_networks, load_networks
from lib_ti.demo.recipe.vae import pictures_to_pixels, psnr

FOLDER = Path(lib_ti.demo.__file__).parent
EACH_MODEL = pytest.mark.parametrize("recipe", RECIPES, ids=lambda recipe: recipe.name)


def path_of(recipe):
    return FOLDER / f"{recipe.name}.safetensors"


@EACH_MODEL
def test_a_file_is_small_and_says_what_it_is(recipe):
    assert path_of(recipe).stat().st_size <= 10_000_000
    with safe_open(str(path_of(recipe)), framework="pt") as file:
        metadata = file.metadata()
        shapes = {key: file.get_slice(key).get_shape() for key in file.keys()}  # noqa: SIM118
    assert json.loads(metadata["ti_lab.config"]) == recipe.config
    assert metadata["modelspec.title"] == recipe.title
    expected = build_networks(recipe.family, recipe.config).checkpoint()
    assert shapes == {key: list(value.shape) for key, value in expected.items()}


def test_the_pictures_are_those_that_the_recipe_draws():
    files = sorted(PICTURES.glob("*.png"))
    shipped = [np.asarray(Image.open(path).convert("RGB")) for path in files]
    assert len(shipped) == len(draw_pictures())
    assert all(np.array_equal(a, b) for a, b in zip(shipped, draw_pictures(), strict=True))


@EACH_MODEL
def test_the_autoencoder_keeps_a_picture(recipe):
    pixels = pictures_to_pixels(np.stack(draw_pictures()))
    assert psnr(load_networks(path_of(recipe)).vae, pixels) > 28


@pytest.mark.slow
@EACH_MODEL
def test_prompts_are_obeyed(recipe):
    networks = load_networks(path_of(recipe))
    assert prompts_obeyed(networks) >= 150
    assert held_out_obeyed(networks) >= 90


@pytest.mark.slow
@EACH_MODEL
@pytest.mark.parametrize("thing", JUDGED, ids=lambda thing: thing.phrase)
def test_textual_inversion_shows(recipe, thing):
    inversion = judge_inversion(load_networks(path_of(recipe)), thing, seed=0)
    print(inversion)
    assert inversion.error_init - inversion.error_true > 0.2 * inversion.error_init
    assert inversion.gap_closed >= 0.8
    assert inversion.right_init <= 2
    assert inversion.right >= 14
