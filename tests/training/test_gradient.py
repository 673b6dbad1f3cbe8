"""A user would lose: the right gradient, and the promise that batch size and accumulation do not change the result."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
import torch

from lib_ti.config.train import LossPart
from lib_ti.host import Conditioning, PictureSize, SessionRequest
from lib_ti.training import gradient as module
from lib_ti.training.gradient import Sample, accumulate_gradient, batch_error, group_by_shape, loss_scales
from tests.toy_host import ToyHost, ToySession

SIZE = PictureSize(64, 64, 0, 0, 64, 64)
TALL = PictureSize(96, 64, 4, 0, 96, 48)


@pytest.fixture(params=["sd1", "sdxl"])
def session(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[ToySession]:
    with ToyHost(tmp_path, request.param, "v_prediction").training_session(SessionRequest("foo", 2)) as session:
        yield session


def make_samples(count: int) -> list[Sample]:
    chance = torch.Generator().manual_seed(1)
    samples = []
    for number in range(count):
        shape, size = ((4, 8, 8), SIZE) if number % 3 else ((4, 12, 6), TALL)
        prompt = ["a photo of foo", "foo on a table"][number % 2]
        latents, noise = torch.randn(shape, generator=chance), torch.randn(shape, generator=chance)
        samples.append(Sample(prompt, size, latents, noise, 61 * number % 1000))
    return samples


def make_vectors(session: ToySession) -> dict[str, torch.Tensor]:
    chance = torch.Generator().manual_seed(2)
    return {
        name: torch.randn(2, width, generator=chance).requires_grad_() for name, width in session.host.widths.items()
    }


def gradient(
    session: ToySession, samples: list[Sample], micro_batch: int, loss: LossPart | None = None
) -> dict[str, torch.Tensor]:
    vectors = make_vectors(session)
    accumulate_gradient(session, vectors, samples, micro_batch, loss or LossPart())
    return {name: vector.grad for name, vector in vectors.items() if vector.grad is not None}


def joint_loss(
    session: ToySession, vectors: dict[str, torch.Tensor], samples: list[Sample], loss: LossPart
) -> torch.Tensor:
    """The same mean loss in one ordinary graph, sample by sample."""
    total = torch.zeros(())
    for sample in samples:
        conditioning = session.encode_prompts([sample.prompt], vectors, [sample.size])
        error, weight = batch_error(session, [sample], conditioning, loss)
        total = total + (error * weight).sum()
    return total / len(samples)


@pytest.mark.parametrize("weighting", ["none", "min_snr"])
def test_split_graph_gives_the_gradient_of_one_ordinary_graph(session: ToySession, weighting: str) -> None:
    samples, loss, vectors = make_samples(7), LossPart(weighting=weighting), make_vectors(session)
    joint_loss(session, vectors, samples, loss).backward()  # type: ignore[no-untyped-call]
    for name, got in gradient(session, samples, 3, loss).items():
        torch.testing.assert_close(got, vectors[name].grad)
    assert len(vectors) == len(session.host.widths)


def test_gradient_agrees_with_finite_differences(session: ToySession) -> None:
    samples, vectors = make_samples(4), make_vectors(session)
    got = gradient(session, samples, 2)
    for name, vector in vectors.items():
        direction = torch.randn(vector.shape, generator=torch.Generator().manual_seed(3))
        shifted = [{**vectors, name: vector.detach() + sign * 1e-2 * direction} for sign in (1, -1)]
        up, down = (joint_loss(session, v, samples, LossPart()).item() for v in shifted)
        assert (up - down) / 2e-2 == pytest.approx((got[name] * direction).sum().item(), rel=1e-2)


def test_15x1_and_3x5_and_1x15_are_the_same_update(session: ToySession) -> None:
    samples = make_samples(15)
    one, five, all_at_once = (gradient(session, samples, size) for size in (1, 5, 15))
    for name in one:
        torch.testing.assert_close(one[name], all_at_once[name], rtol=1e-5, atol=1e-7)
        torch.testing.assert_close(five[name], all_at_once[name], rtol=1e-5, atol=1e-7)
        assert one[name].abs().max() > 0


def test_equal_prompts_are_encoded_once_an_update(session: ToySession) -> None:
    gradient(session, [s for s in make_samples(15) if s.size == SIZE], 2)
    assert session.encoded_prompts == 2


def test_opaque_mask_changes_nothing_and_a_hidden_part_teaches_nothing(session: ToySession) -> None:
    plain = [s for s in make_samples(4) if s.size == SIZE]
    opaque = [Sample(s.prompt, s.size, s.latents, s.noise, s.timestep, torch.ones(1, 8, 8)) for s in plain]
    for name, expected in gradient(session, plain, 2).items():
        torch.testing.assert_close(gradient(session, opaque, 2)[name], expected)

    mask = torch.zeros(1, 8, 8)
    mask[..., :4] = 2.0  # only the left half counts, with a mean of 1
    conditioning = session.encode_prompts([plain[0].prompt], make_vectors(session), [SIZE])
    masked = Sample(plain[0].prompt, SIZE, plain[0].latents, plain[0].noise, plain[0].timestep, mask)
    error, _ = batch_error(session, [masked], conditioning, LossPart())
    a = session.alphas_cumprod[masked.timestep]
    noisy = a.sqrt() * masked.latents + (1 - a).sqrt() * masked.noise
    pred = session.predict(noisy[None], torch.tensor([masked.timestep]), Conditioning(conditioning.tensors))
    target = a.sqrt() * masked.noise - (1 - a).sqrt() * masked.latents
    torch.testing.assert_close(error[0], (pred[0] - target)[..., :4].square().mean())


def test_pictures_of_different_shapes_never_share_a_micro_batch() -> None:
    groups = group_by_shape(make_samples(15), 4)
    assert sum(map(len, groups)) == 15
    assert all(len(group) <= 4 and len({s.latents.shape for s in group}) == 1 for group in groups)


def test_half_precision_scale_leaves_the_gradient_as_it_is(
    session: ToySession, monkeypatch: pytest.MonkeyPatch
) -> None:
    full = gradient(session, make_samples(6), 3)
    monkeypatch.setattr(
        session, "dtype", torch.float16
    )  # the toy computes in float32 whatever it says: only the scale acts
    for name, got in gradient(session, make_samples(6), 3).items():
        torch.testing.assert_close(got, full[name], rtol=1e-5, atol=1e-7)


class _Layer(torch.autograd.Function):
    """One that changes nothing, and whose gradient is in float16 and `size` times as large as its output's."""

    @staticmethod
    def forward(ctx: Any, x: torch.Tensor, size: float) -> torch.Tensor:
        ctx.size = size
        return x.clone()

    @staticmethod
    def backward(ctx: Any, gradient: torch.Tensor) -> tuple[torch.Tensor, None]:
        return (gradient * ctx.size).half().float() / ctx.size, None


class HalfSession(ToySession):
    """Text encoder and UNet in float16, as in a WebUI; inside the UNet gradients are `size` times as large as at its output."""

    dtype = torch.float16
    size = 1e-5

    def encode_prompts(
        self, prompts: Sequence[str], vectors: Mapping[str, torch.Tensor], sizes: Sequence[PictureSize]
    ) -> Conditioning:
        plain = super().encode_prompts(prompts, {name: v.half().float() for name, v in vectors.items()}, sizes)
        return Conditioning({key: tensor.half() for key, tensor in plain.tensors.items()})

    def predict(self, noisy: torch.Tensor, timesteps: torch.Tensor, conditioning: Conditioning) -> torch.Tensor:
        read = Conditioning({key: tensor.half().float() for key, tensor in conditioning.tensors.items()})
        output: torch.Tensor = _Layer.apply(super().predict(noisy, timesteps, read), self.size)  # type: ignore[no-untyped-call]
        return output


def large_samples() -> list[Sample]:
    chance = torch.Generator().manual_seed(1)
    pairs = [torch.randn(2, 4, 64, 64, generator=chance) for _ in range(15)]
    return [Sample("a photo of foo", SIZE, *pair, 61 * number) for number, pair in enumerate(pairs)]


def prove_close(got: dict[str, torch.Tensor], full: dict[str, torch.Tensor]) -> None:
    for name, expected in full.items():
        assert got[name].dtype == torch.float32
        assert torch.cosine_similarity(got[name].flatten(), expected.flatten(), dim=0) > 0.999
        assert got[name].norm() / expected.norm() == pytest.approx(1, abs=0.01)


@pytest.fixture(params=["sd1", "sdxl"])
def half(request: pytest.FixtureRequest, tmp_path: Path) -> HalfSession:
    return HalfSession(ToyHost(tmp_path, request.param), SessionRequest("foo", 2))


def test_half_precision_loses_nothing_in_many_large_pictures(half: HalfSession, monkeypatch: Any) -> None:
    """A number's share of the mean loss is too small for float16 there."""
    full = gradient(ToySession(half.host, half.request), large_samples(), 5)
    prove_close(gradient(half, large_samples(), 5), full)
    monkeypatch.setattr(module, "loss_scales", lambda *_: [1.0])
    lost = gradient(half, large_samples(), 5)
    assert all(lost[name].norm() < 0.1 * full[name].norm() for name in full)


def test_half_precision_that_overflows_is_taken_again_with_a_smaller_scale(half: HalfSession, monkeypatch: Any) -> None:
    half.size = 1e5
    full = gradient(ToySession(half.host, half.request), large_samples(), 5)
    prove_close(gradient(half, large_samples(), 5), full)
    monkeypatch.setattr(module, "loss_scales", lambda *given: loss_scales(*given)[:1])
    spoiled = gradient(half, large_samples(), 5)
    assert not any(spoiled[name].isfinite().all() for name in full)
