"""The update: a user would train towards something else than the pictures, or get another result with other micro-batches."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any
from weakref import ReferenceType, ref

import pytest
import torch

from lib_ti.config.train import LossPart, OptimizerPart
from lib_ti.errors import TrainingFailed
from lib_ti.host import Conditioning, PictureSize, SessionRequest, Vectors
from lib_ti.training import update as module
from lib_ti.training.state import RunState
from lib_ti.training.update import (
    Sample,
    Trainee,
    accumulate_gradient,
    add_noise,
    batch_error,
    draw_noise,
    draw_timesteps,
    group_by_shape,
    loss_scales,
    loss_weight,
    prediction_target,
)
from tests.toy_host import ToyHost, ToySession

ALPHA = torch.tensor([0.9991, 0.5, 0.0047])
SNR = ALPHA / (1 - ALPHA)
SHAPE = torch.Size([4, 6, 5])
CPU = torch.device("cpu")


def test_noise_and_v_targets_lead_back_to_the_picture() -> None:
    latents, noise = torch.randn(3, 4, 6, 5), torch.randn(3, 4, 6, 5)
    a = ALPHA.view(-1, 1, 1, 1)
    noisy = add_noise(latents, noise, ALPHA)
    torch.testing.assert_close(
        a.sqrt() * noisy - (1 - a).sqrt() * prediction_target(latents, noise, ALPHA, "v_prediction"), latents
    )
    assert prediction_target(latents, noise, ALPHA, "epsilon") is noise


@pytest.mark.parametrize(
    ("weighting", "prediction_type", "expected"),
    [
        ("none", "epsilon", torch.ones(3)),
        ("balanced", "epsilon", torch.tensor([0.3, 1.0, 6.0])),
        ("min_snr", "epsilon", SNR.clamp(max=5) / SNR),
        ("min_snr", "v_prediction", SNR.clamp(max=5) / (SNR + 1)),
        ("debiased", "epsilon", SNR.clamp(max=1000).rsqrt()),
        ("debiased", "v_prediction", 1 / (SNR + 1)),
    ],
)
def test_loss_weights(weighting: str, prediction_type: str, expected: torch.Tensor) -> None:
    torch.testing.assert_close(loss_weight(ALPHA, prediction_type, LossPart(weighting=weighting)), expected)  # type: ignore[arg-type]


def test_weights_stay_finite_at_zero_terminal_snr() -> None:
    for weighting in ("balanced", "min_snr", "debiased"):
        weights = loss_weight(torch.tensor([0.0, 1.0]), "v_prediction", LossPart(weighting=weighting))
        assert torch.isfinite(weights).all()


def test_noise_is_a_function_of_seed_and_sample_alone() -> None:
    first = draw_noise(SHAPE, 0.0, 7, 3)
    torch.manual_seed(99)
    torch.randn(5)
    assert torch.equal(first, draw_noise(SHAPE, 0.0, 7, 3))
    assert not torch.equal(first, draw_noise(SHAPE, 0.0, 7, 4))
    assert not torch.equal(first, draw_noise(SHAPE, 0.0, 8, 3))


def test_a_seed_is_the_same_noise_in_every_version_and_on_every_device() -> None:
    """Golden values: a change here breaks the resuming of every unfinished run."""
    noise = draw_noise(SHAPE, 0.1, 7, 3)
    assert noise.device.type == "cpu"
    assert noise[0, 0, :3].tolist() == pytest.approx([0.655101, 0.191173, 0.090524], abs=1e-5)
    assert noise[3, 5, :3].tolist() == pytest.approx([0.184949, 1.477699, -0.090328], abs=1e-5)


def test_noise_offset_shifts_whole_channels() -> None:
    difference = draw_noise(SHAPE, 0.5, 1, 1) - draw_noise(SHAPE, 0.0, 1, 1)
    torch.testing.assert_close(difference, difference[:, :1, :1].expand(SHAPE), atol=1e-6, rtol=0)
    assert difference.abs().max() > 0.01


def test_timesteps_are_uniform_and_do_not_depend_on_how_samples_are_batched() -> None:
    together = draw_timesteps(4000, 0, 1, 1000, stratified=False)
    alone = [draw_timesteps(1, n, 1, 1000, stratified=False)[0] for n in range(100)]
    assert together[:100] == alone
    assert min(together) >= 0
    assert max(together) <= 999
    assert abs(sum(together) / len(together) - 499.5) < 15


def test_stratified_timesteps_take_one_of_each_stratum() -> None:
    timesteps = draw_timesteps(10, 30, 1, 1000, stratified=True)
    assert sorted(t // 100 for t in timesteps) == list(range(10))
    assert timesteps != sorted(timesteps)


def test_a_range_of_timesteps_is_drawn_from_evenly_and_stratified_too() -> None:
    some = draw_timesteps(2000, 0, 1, 100, stratified=False, least=400)
    assert (min(some), max(some)) == (400, 499)
    assert some == [400 + t // 10 for t in draw_timesteps(2000, 0, 1, 1000, stratified=False)]
    strata = draw_timesteps(10, 30, 1, 100, stratified=True, least=400)
    assert sorted((t - 400) // 10 for t in strata) == list(range(10))
    assert draw_timesteps(3, 0, 1, 1, stratified=False, least=999) == [999] * 3


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
    accumulate_gradient(session, {"foo": vectors}, samples, micro_batch, loss or LossPart())
    return {name: vector.grad for name, vector in vectors.items() if vector.grad is not None}


def joint_loss(
    session: ToySession, vectors: dict[str, torch.Tensor], samples: list[Sample], loss: LossPart
) -> torch.Tensor:
    """The same mean loss in one ordinary graph, sample by sample."""
    total = torch.zeros(())
    for sample in samples:
        conditioning = session.encode_prompts([sample.prompt], {"foo": vectors}, [sample.size])
        error, weight = batch_error(session, [sample], conditioning, loss)
        total = total + (error * weight).sum()
    return total / len(samples)


@pytest.mark.parametrize("weighting", ["none", "debiased"])
def test_the_prediction_type_of_the_settings_goes_over_that_of_the_checkpoint(tmp_path: Path, weighting: str) -> None:
    """Target and weight: a v model that is taken for one of noise learns as a v model once it is told so."""
    found = {}
    for detected in ("epsilon", "v_prediction"):
        with ToyHost(tmp_path, "sd1", detected).training_session(SessionRequest("foo", 2)) as session:
            for given in ("auto", "v_prediction"):
                loss = LossPart(weighting=weighting, prediction=given)
                found[detected, given] = gradient(session, make_samples(3), 3, loss)["clip_l"]
    assert torch.equal(found["epsilon", "v_prediction"], found["v_prediction", "auto"])
    assert torch.equal(found["v_prediction", "v_prediction"], found["v_prediction", "auto"])
    assert not torch.allclose(found["epsilon", "auto"], found["v_prediction", "auto"])


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


def test_equal_prompts_are_encoded_once_each_way(session: ToySession) -> None:
    gradient(session, [s for s in make_samples(15) if s.size == SIZE], 2)
    assert session.encoded_prompts == 2 + 2


def test_no_graph_of_the_text_encoder_takes_the_unets_memory(tmp_path: Path) -> None:
    encoded: list[ReferenceType[torch.Tensor]] = []

    class Watched(ToySession):
        def encode_prompts(self, *args: Any) -> Conditioning:
            conditioning = super().encode_prompts(*args)
            encoded.extend(map(ref, conditioning.tensors.values()))
            return conditioning

        def predict(self, *args: Any) -> torch.Tensor:
            there = [tensor() for tensor in encoded]
            assert not any(tensor is not None and tensor.grad_fn for tensor in there)
            return super().predict(*args)

    session = Watched(ToyHost(tmp_path), SessionRequest("foo", 2))
    assert gradient(session, make_samples(4), 2)
    assert len(encoded) == 2


def test_opaque_mask_changes_nothing_and_a_hidden_part_teaches_nothing(session: ToySession) -> None:
    plain = [s for s in make_samples(4) if s.size == SIZE]
    opaque = [Sample(s.prompt, s.size, s.latents, s.noise, s.timestep, torch.ones(1, 8, 8)) for s in plain]
    for name, expected in gradient(session, plain, 2).items():
        torch.testing.assert_close(gradient(session, opaque, 2)[name], expected)

    mask = torch.zeros(1, 8, 8)
    mask[..., :4] = 2.0  # only the left half counts, with a mean of 1
    conditioning = session.encode_prompts([plain[0].prompt], {"foo": make_vectors(session)}, [SIZE])
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

    def encode_prompts(self, prompts: Sequence[str], vectors: Vectors, sizes: Sequence[PictureSize]) -> Conditioning:
        halved = {name: {key: v.half().float() for key, v in one.items()} for name, one in vectors.items()}
        plain = super().encode_prompts(prompts, halved, sizes)
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


WORDS = {"clip_l": 1.0, "clip_g": 0.5}
START = RunState(0, 0, 1, {"clip_l": torch.ones(2, 3), "clip_g": torch.ones(2, 4)})


def give_gradient(trainee: Trainee, value: float) -> None:
    for vector in trainee.vectors["foo"].values():
        vector.grad = torch.full_like(vector, value)


def test_first_adamw_step_moves_by_the_rate() -> None:
    trainee = Trainee(START, OptimizerPart(), CPU, WORDS, "foo")
    give_gradient(trainee, 0.3)
    trainee.step_by(0.01, False, 0.0, images=4)
    torch.testing.assert_close(trainee.vectors["foo"]["clip_l"], torch.full((2, 3), 0.99))
    assert (trainee.step, trainee.samples) == (1, 4)
    assert torch.equal(START.vectors["clip_l"], torch.ones(2, 3))  # the start is a value, not the run's scratch


def test_value_clipping_limits_each_number() -> None:
    trainee = Trainee(START, OptimizerPart(clip="value"), CPU, WORDS, "foo")
    give_gradient(trainee, 0.3)
    trainee.step_by(0.01, False, 0.1, 1)
    assert trainee.vectors["foo"]["clip_l"].grad is not None
    assert trainee.vectors["foo"]["clip_l"].grad.max() == pytest.approx(0.1)


def test_norm_clipping_limits_each_encoder_by_itself() -> None:
    trainee = Trainee(START, OptimizerPart(clip="norm"), CPU, WORDS, "foo")
    give_gradient(trainee, 10.0)
    trainee.step_by(0.01, False, 0.5, 1)
    for vector in trainee.vectors["foo"].values():
        assert vector.grad is not None
        assert vector.grad.norm() == pytest.approx(0.5, rel=1e-4)


def test_resumed_optimizer_goes_on_exactly_and_obeys_the_new_rate() -> None:
    whole, half = Trainee(START, OptimizerPart(), CPU, WORDS, "foo"), Trainee(START, OptimizerPart(), CPU, WORDS, "foo")
    for trainee in (whole, half):
        for step in range(5):
            give_gradient(trainee, 0.1 * step - 0.2)
            trainee.step_by(0.01, False, 0.0, 1)
    # A file may give the vectors in another order: each must meet its own moments again.
    vectors = dict(reversed(half.embeddings["foo"].plain_vectors().items()))
    resumed = Trainee(
        RunState(half.step, half.samples, 1, vectors, half.embeddings["foo"].moments()),
        OptimizerPart(),
        CPU,
        WORDS,
        "foo",
    )
    for trainee in (whole, resumed):
        give_gradient(trainee, 0.7)
        trainee.step_by(0.5, False, 0.0, 1)
    assert resumed.step == 6
    for name in whole.vectors["foo"]:
        assert torch.equal(whole.vectors["foo"][name], resumed.vectors["foo"][name])


@pytest.mark.parametrize(
    ("loss", "gradient", "says"), [(float("nan"), 0.1, "loss became nan"), (0.3, float("inf"), "clip_l and clip_g")]
)
def test_an_update_that_would_spoil_the_vectors_is_refused_with_a_likely_cause(
    loss: float, gradient: float, says: str
) -> None:
    trainee = Trainee(START, OptimizerPart(), CPU, WORDS, "foo")
    give_gradient(trainee, gradient)
    with pytest.raises(TrainingFailed, match=says) as failure:
        trainee.check_finite(loss)
    assert "precision" in failure.value.hint


def test_norms_are_mean_row_lengths() -> None:
    assert Trainee(START, OptimizerPart(), CPU, WORDS, "foo").norms() == pytest.approx(
        {"clip_l": 3**0.5, "clip_g": 2.0}
    )
