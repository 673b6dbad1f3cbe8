"""A positive and a negative embedding that learn together: a user would lose one half of the pair, or pictures made with both."""

from pathlib import Path

import numpy as np
import pytest
import torch

from lib_ti.adapters.detect import open_standalone
from lib_ti.config.train import LossPart
from lib_ti.control import Control
from lib_ti.demo.recipe import gates
from lib_ti.errors import FaultList
from lib_ti.formats.files import load_embedding
from lib_ti.host import ImageRequest, PictureSize, SessionRequest
from lib_ti.training.evaluation import FixedBatch
from lib_ti.training.plan import plan_training
from lib_ti.training.preview import preview_requests
from lib_ti.training.update import Sample, accumulate_gradient, losses_of
from tests.toy_host import ToyHost
from tests.training.on_demo import CONCEPTS, draw_things, held_out, learn
from tests.training.runs import Settings, equal, files, run, stop_at

SIZE = PictureSize(64, 64, 0, 0, 64, 64)


@pytest.mark.parametrize("family", ["sd1", "sdxl"])
@pytest.mark.parametrize("guidance", [1.0, 4.0])
def test_the_loss_is_that_of_the_guided_prediction_and_its_gradient_reaches_both(
    tmp_path: Path, family: str, guidance: float
) -> None:
    """Against the formula, written out in one ordinary graph. A guidance of 1 is the positive prompt alone."""
    host, chance = ToyHost(tmp_path, family), torch.Generator().manual_seed(1)

    def vectors() -> dict[str, dict[str, torch.Tensor]]:
        drawn = torch.Generator().manual_seed(2)
        return {
            name: {e: torch.randn(2, width, generator=drawn).requires_grad_() for e, width in host.widths.items()}
            for name in ("foo", "foo-neg")
        }

    samples = [
        Sample(f"a foo {n}", SIZE, *torch.randn(2, 4, 8, 8, generator=chance), 200 * n + 50, negative="foo-neg")
        for n in range(3)
    ]
    with host.training_session(SessionRequest("foo", 2, others={"foo-neg": 2})) as session:
        ours, wanted, total = vectors(), vectors(), torch.zeros(())
        loss = LossPart(guidance=guidance)
        mean = accumulate_gradient(session, ours, samples, 2, loss)
        for one in samples:
            read = session.encode_prompts([one.prompt, "foo-neg"], wanted, [SIZE] * 2)
            alpha = session.alphas_cumprod[one.timestep]
            noisy = (alpha.sqrt() * one.latents + (1 - alpha).sqrt() * one.noise)[None]
            timestep = torch.tensor([one.timestep])
            positive, negative = (session.predict(noisy, timestep, read.rows(n, n + 1)) for n in range(2))
            total = total + (negative + guidance * (positive - negative) - one.noise).square().mean() / len(samples)
        total.backward()  # type: ignore[no-untyped-call]
        assert losses_of(session, ours, samples, 3, loss).loss.item() == pytest.approx(total.item(), rel=1e-5)
    assert mean.item() == pytest.approx(total.item(), rel=1e-5)
    for name, encoder in ((name, encoder) for name in ours for encoder in host.widths):
        torch.testing.assert_close(ours[name][encoder].grad, wanted[name][encoder].grad, rtol=1e-4, atol=1e-6)
        assert bool(ours[name][encoder].grad.abs().max() > 1e-6) is (name == "foo" or guidance > 1)


def test_a_pair_is_two_files_whose_previews_use_both(tmp_path: Path, settings: Settings) -> None:
    host = ToyHost(tmp_path)
    config = settings(embedding__negative="pair", preview__prompt="my [name]", preview__negative="blurry")
    plan = plan_training(host, config)
    assert {name: (one.prompt, one.negative) for name, one in preview_requests(plan).items()} == {
        "foo": ("my foo", "foo-neg, blurry")
    }
    assert "Pair: foo-neg is the negative prompt, with a guidance of 3" in plan.lines()
    run(host, config)
    begin = host.token_vectors(host.tokenize("round thing"), "clip_l")
    made = files(host)
    assert made.keys() == {"foo", "foo-neg"}
    assert all((vectors["clip_l"] - begin).abs().min() > 0 for vectors in made.values())


def test_a_line_gives_the_negative_one_vectors_and_a_start_of_its_own(tmp_path: Path, settings: Settings) -> None:
    host = ToyHost(tmp_path)
    config = settings(embedding__negative="pair", embedding__more="foo-neg; vectors=5; init=blurry")
    assert plan_training(host, config).rows == {"foo": 2, "foo-neg": 5}
    with pytest.raises(FaultList, match="a pair is trained by itself"):
        settings(embedding__negative="pair", embedding__more="bar")


def test_a_pair_that_was_stopped_goes_on_bit_for_bit(tmp_path: Path, settings: Settings) -> None:
    halves, whole, control = ToyHost(tmp_path / "halves"), ToyHost(tmp_path / "whole"), Control()
    changes = {"embedding__negative": "pair", "measure__every": 4, "optim__name": "normalised"}
    run(halves, settings(**changes), control, stop_at(5, control))
    run(halves, settings(**changes, embedding__resume=True))
    run(whole, settings(**changes))
    assert equal(halves, whole)


def test_a_negative_alone_learns_as_any_and_stands_in_the_negative_prompt_of_previews(
    tmp_path: Path, settings: Settings
) -> None:
    plain, alone = ToyHost(tmp_path / "plain"), ToyHost(tmp_path / "alone")
    config = settings(embedding__negative="alone", preview__prompt="a [name] cat", preview__negative="blurry")
    (request,) = preview_requests(plan_training(alone, config)).values()
    assert (request.prompt.split(), request.negative) == (["a", "cat"], "foo, blurry")
    run(alone, config)
    run(plain, settings())
    assert equal(plain, alone)
    with pytest.raises(FaultList, match="a negative embedding alone is trained by itself"):
        settings(embedding__negative="alone", embedding__more="bar")


# On the demo model


@pytest.mark.slow
def test_a_pair_learns_what_guided_pictures_need(tmp_path: Path) -> None:
    """The loss with guidance falls, far below that of an empty negative prompt, and pictures made with both are right."""
    host = open_standalone("demo", "cpu", "fp32", tmp_path / "out", tmp_path / "logs")
    settings = {
        "run.preset": "automatic",
        "embedding.name": "trx",
        "embedding.init": "shape",
        "embedding.negative": "pair",
        "data.folder": str(draw_things(tmp_path / "pictures", CONCEPTS["trx"])),
        "optim.lr": "0.6r cosine:250",
        "optim.steps": 250,
        "preview.every": 0,
        "run.seed": 1,
    }
    learn(host, settings)
    vectors = {name: load_embedding(tmp_path / "out" / f"{name}.safetensors").vectors for name in ("trx", "trx-neg")}
    with host.training_session(SessionRequest("trx", 8, others={"trx-neg": 8})) as session:
        batch = FixedBatch(session, held_out(CONCEPTS["trx"]))
        before, without, after = (
            batch.loss(f"a photo of a {word}", vectors, negative=negative, guidance=3.0)
            for word, negative in (("shape", "shape"), ("trx", ""), ("trx", "trx-neg"))
        )
    assert after < 0.8 * before, (before, after)
    assert after < 0.6 * without, (without, after)
    pictures = [
        host.generate(ImageRequest("a photo of a trx", "trx-neg", cfg=3.0, seed=500 + n, width=64, height=64))
        for n in range(12)
    ]
    assert gates.count_right(np.stack(list(map(np.asarray, pictures))), [CONCEPTS["trx"]] * 12) >= 9
