"""Which layer of which encoder the UNet reads: the wrong one still trains, into an embedding that works nowhere else. And
pictures to latents and back: a scale that is off trains every picture against the wrong noise."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor

import lib_ti
from lib_ti.adapters.standalone.chunks import Names
from lib_ti.adapters.standalone.encoders import PromptEncoder, Vectors
from lib_ti.adapters.standalone.host import StandaloneHost
from lib_ti.adapters.standalone.source import open_source
from lib_ti.demo.recipe.export import Family
from lib_ti.host import PictureSize
from tests.adapters.standalone.conftest import Tiny, open_host

START, END = 49406, 49407
SIZE = PictureSize(64, 48, 3, 5, 64, 40)
CAT, DOG = 2368, 1929
IDS = [START, 320, CAT, DOG, 256]  # "a cat dog !"


def encoder_of(tiny: Tiny, tmp_path: Path) -> PromptEncoder:
    return open_host(tiny.path, tmp_path)._model.prompts


def encode(
    encoder: PromptEncoder, prompts: list[str], vectors: Vectors | None = None, clip_skip: int = 1
) -> dict[str, Tensor]:
    rows = {name: len(next(iter(parts.values()))) for name, parts in (vectors or {}).items()}
    conditioning = encoder.encode(prompts, Names(rows), vectors or {}, [SIZE] * len(prompts), clip_skip)
    return dict(conditioning.tensors)


@torch.no_grad()
def test_states_are_those_of_transformers_own_forward_pass(tiny: Tiny, tmp_path: Path) -> None:
    ours = encode(encoder_of(tiny, tmp_path), ["a cat dog !"])
    ids = torch.tensor([IDS + [END] * 72])
    padded = torch.tensor([[*IDS, END] + [0] * 71])
    first = tiny.networks.text(padded if tiny.family == "sd2" else ids, output_hidden_states=True)
    if tiny.family == "sd1":
        expected = {"context": first.last_hidden_state}
    elif tiny.family == "sd2":
        expected = {"context": tiny.networks.text.text_model.final_layer_norm(first.hidden_states[-2])}
    else:
        second = tiny.networks.text_2(padded, output_hidden_states=True)
        context = torch.cat([first.hidden_states[-2], second.hidden_states[-2]], dim=-1)
        expected = {"context": context, "pooled": second.text_embeds, "sizes": torch.tensor([[64.0, 48, 3, 5, 64, 40]])}
    assert ours.keys() == expected.keys()
    for key, tensor in expected.items():
        torch.testing.assert_close(ours[key], tensor)


@torch.no_grad()
@pytest.mark.parametrize("skip", [1, 2])
def test_clip_skip_counts_from_the_end_and_norms_what_it_finds(
    tinies: dict[Family, Tiny], tmp_path: Path, skip: int
) -> None:
    tiny = tinies["sd1"]
    text = tiny.networks.text
    states = text(torch.tensor([IDS + [END] * 72]), output_hidden_states=True).hidden_states
    norm = getattr(text, "text_model", text).final_layer_norm
    ours = encode(encoder_of(tiny, tmp_path), ["a cat dog !"], clip_skip=skip)
    torch.testing.assert_close(ours["context"], norm(states[-skip]))


@torch.no_grad()
def test_clip_skip_is_sd1s_alone(tiny: Tiny, tmp_path: Path) -> None:
    encoder = encoder_of(tiny, tmp_path)
    one, two = encode(encoder, ["a cat"]), encode(encoder, ["a cat"], clip_skip=2)
    assert torch.equal(one["context"], two["context"]) == (tiny.family != "sd1")


@torch.no_grad()
def test_chunks_are_laid_end_to_end_and_short_prompts_are_filled_up(tiny: Tiny, tmp_path: Path) -> None:
    encoder = encoder_of(tiny, tmp_path)
    long = "cat " * 75 + "dog"
    both, start, rest, empty = (encode(encoder, p) for p in ([long, "a cat"], ["cat " * 75], ["dog"], [""]))
    width = both["context"].shape[-1]
    assert both["context"].shape == (2, 154, width)
    torch.testing.assert_close(both["context"][0, :77], start["context"][0])
    torch.testing.assert_close(both["context"][0, 77:], rest["context"][0])
    torch.testing.assert_close(both["context"][1, 77:], empty["context"][0])
    if "pooled" in both:
        torch.testing.assert_close(both["pooled"][0], start["pooled"][0])
        torch.testing.assert_close(both["pooled"][1], encode(encoder, ["a cat"])["pooled"][0])


@torch.no_grad()
def test_emphasis_multiplies_the_states_of_its_tokens_alone(tiny: Tiny, tmp_path: Path) -> None:
    encoder = encoder_of(tiny, tmp_path)
    plain, strong = encode(encoder, ["a cat dog"])["context"], encode(encoder, ["a (cat:1.5) dog"])["context"]
    factors = (strong / plain).mean(-1)[0]
    expected = torch.ones(77)
    expected[2] = 1.5
    torch.testing.assert_close(factors, expected, rtol=1e-4, atol=1e-4)


def test_every_encoder_gets_its_gradient_through_each_of_its_outputs(
    tinies: dict[Family, Tiny], tmp_path: Path
) -> None:
    """SDXL's pooled output reaches clip_g alone; the context reaches both, in their own columns."""
    tiny = tinies["sdxl"]
    encoder = encoder_of(tiny, tmp_path)
    widths = {name: text.table.shape[1] for name, text in encoder.encoders.items()}
    vectors = {name: torch.full((2, width), 0.01, requires_grad=True) for name, width in widths.items()}
    tensors = encode(encoder, ["a zork and zork"], {"zork": vectors})
    outputs = {
        "pooled": (tensors["pooled"], {"clip_g"}),
        "left": (tensors["context"][..., : widths["clip_l"]], {"clip_l"}),
        "right": (tensors["context"][..., widths["clip_l"] :], {"clip_g"}),
    }
    for what, (output, reached) in outputs.items():
        weights = torch.linspace(-1, 1, output.numel()).view_as(output)
        grads = torch.autograd.grad(
            (output * weights).sum(), list(vectors.values()), retain_graph=True, allow_unused=True
        )
        found = {name for name, grad in zip(vectors, grads, strict=True) if grad is not None and grad.abs().sum() > 0}
        assert found == reached, what


def test_the_gradient_is_exact_in_double_precision(tiny: Tiny, tmp_path: Path) -> None:
    encoder = PromptEncoder(tiny.family, list(encoder_of(tiny, tmp_path).encoders.values()))
    for text in encoder.encoders.values():
        text.core.double()
        if text.projection is not None:
            text.projection.double()
    vectors = {
        name: torch.randn(2, text.table.shape[1], dtype=torch.float64, requires_grad=True)
        for name, text in encoder.encoders.items()
    }

    def outputs(*rows: Tensor) -> tuple[Tensor, ...]:
        tensors = encode(encoder, ["a (zork:1.2), two zork"], {"zork": dict(zip(vectors, rows, strict=True))})
        return tuple(tensor.double().mean(-1) for key, tensor in tensors.items() if key != "sizes")

    assert torch.autograd.gradcheck(outputs, list(vectors.values()), fast_mode=True)


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
