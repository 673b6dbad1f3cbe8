"""The whole recipe in miniature."""

from dataclasses import replace

import pytest

from lib_ti.demo.recipe.build import RECIPES, build, save
from lib_ti.demo.recipe.training import Stage
from lib_ti.demo.recipe.vae import learning_rate


@pytest.mark.slow
@pytest.mark.parametrize("recipe", RECIPES, ids=lambda recipe: recipe.name)
def test_the_same_seed_makes_the_same_file_and_another_seed_another(recipe, tmp_path):
    words, sums = (Stage(2, 1e-3, share, examples=8, batch=4) for share in (0.0, 0.5))
    tiny = replace(recipe, words=words, sums=sums, decoder_steps=1)
    one, again, other = (save(tiny, build(tiny, seed, "cpu"), tmp_path).read_bytes() for seed in (0, 0, 1))
    assert one == again
    assert one != other


def test_the_learning_rate_rises_stays_and_falls():
    rates = [learning_rate(1.0, step, 100, warm_up=10, flat=0.5) for step in range(100)]
    assert rates[0] == 0.1
    assert rates[10:50] == [1.0] * 40
    assert rates[50:] == sorted(rates[50:], reverse=True)
    assert 0.01 <= rates[-1] < 0.03
