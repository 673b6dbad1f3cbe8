import pytest
import torch

from lib_ti.demo.recipe.captions import word_ids
from lib_ti.demo.recipe.diffusion import WHOLE, condition, placeholder, sum_words
from lib_ti.demo.recipe.networks import build_networks, demo_config, demo_xl_config


@pytest.fixture(params=["sd1", "sdxl"])
def networks(request):
    return build_networks(request.param, demo_config() if request.param == "sd1" else demo_xl_config())


def vectors_of(networks, word):
    [token] = word_ids(word)
    return [text.get_input_embeddings().weight[token].detach() for text in networks.texts()]


def test_a_placeholder_that_means_a_word_is_that_word(networks):
    with torch.no_grad(), placeholder(networks, vectors_of(networks, "star")):
        stood_in = condition(networks, ["a photo of a *"])
    with torch.no_grad():
        said = condition(networks, ["a photo of a star"])
    assert torch.equal(stood_in.context, said.context)
    if said.pooled is not None:
        assert torch.equal(stood_in.pooled, said.pooled)


def test_outside_the_placeholder_nothing_stays(networks):
    with torch.no_grad():
        before = condition(networks, ["a *"]).context
        with placeholder(networks, vectors_of(networks, "star")):
            inside = condition(networks, ["a *"]).context
        assert torch.equal(condition(networks, ["a *"]).context, before)
    assert not torch.equal(inside, before)


def test_sums_are_weighted_and_differ_by_prompt(networks):
    one, none = [("red", 0.5), ("star", 1.5)], []
    for summed, red, star in zip(
        sum_words(networks, [one, none]), vectors_of(networks, "red"), vectors_of(networks, "star"), strict=True
    ):
        assert summed.shape == (2, 1, 32)
        assert torch.allclose(summed[0, 0], 0.5 * red + 1.5 * star)
        assert not summed[1].any()


def test_gradient_reaches_the_placeholder(networks):
    vectors = [vector.clone().requires_grad_(True) for vector in vectors_of(networks, "shape")]
    with placeholder(networks, vectors):
        condition(networks, ["a *", "my *"]).context.sum().backward()
    assert all(vector.grad is not None and vector.grad.any() for vector in vectors)


def test_sdxl_is_told_sizes_and_a_pooled_vector():
    networks = build_networks("sdxl", demo_xl_config())
    with torch.no_grad():
        told = condition(networks, ["a star"])
        assert told.sizes.tolist() == [list(WHOLE)]
        noisy = torch.zeros(2, 4, 8, 8)
        assert told.expand(2).predict(networks.unet, noisy, torch.tensor([1, 900])).shape == noisy.shape
    assert told.context.shape == (1, 77, 64)
    assert told.pooled.shape == (1, 32)
