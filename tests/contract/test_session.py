"""What the training loop relies on."""

import pytest
import torch

from lib_ti.host import Conditioning, SessionRequest, TrainingSession
from tests.contract.conftest import NAME, ROWS, HostUnderTest, go_back


@pytest.mark.parametrize(
    ("prompt", "rows"),
    [
        (f"a photo of a {NAME}", ROWS),
        (f"{NAME.upper()}, {NAME} and a {NAME}", 3 * ROWS),
        ("a photo of a cat", 0),
        ("", 0),
        ("word " * 80 + NAME, ROWS),
        (f"({NAME}:1.2) [{NAME}]", 2 * ROWS),
    ],
)
def test_placeholder_rows_are_counted_where_the_encoder_sees_them(
    session: TrainingSession, prompt: str, rows: int
) -> None:
    assert session.placeholder_rows(prompt) == {NAME: rows}


def test_every_tensor_has_a_row_for_each_prompt(under_test: HostUnderTest, session: TrainingSession) -> None:
    conditioning = _encode(under_test, session, ["a cat", f"a {NAME}", "word " * 80])
    assert all(len(tensor) == 3 for tensor in conditioning.tensors.values())
    middle = conditioning.rows(1, 2)
    assert all(torch.equal(middle.tensors[key], tensor[1:2]) for key, tensor in conditioning.tensors.items())


def test_a_prompt_without_the_placeholder_does_not_change(under_test: HostUnderTest, session: TrainingSession) -> None:
    size = [under_test.size()]
    one = session.encode_prompts(["a photo of a cat"], under_test.vectors("red star"), size)
    other = session.encode_prompts(["a photo of a cat"], under_test.vectors("blue circle"), size)
    assert all(torch.equal(one.tensors[key], other.tensors[key]) for key in one.tensors)


def test_vectors_of_words_stand_for_the_words(under_test: HostUnderTest, session: TrainingSession) -> None:
    """Training starts from the init text's rows: they must mean exactly the init text."""
    named = _encode(under_test, session, [f"a photo of a {NAME} on white"])
    spelled = _encode(under_test, session, ["a photo of a red star on white"])
    for key, tensor in spelled.tensors.items():
        torch.testing.assert_close(named.tensors[key], tensor)


def test_a_prompt_does_not_depend_on_its_neighbours(under_test: HostUnderTest, session: TrainingSession) -> None:
    prompts = [f"a photo of a {NAME}", f"a ({NAME}:1.3) in a box", "a cat"]
    together = _encode(under_test, session, prompts)
    for i, prompt in enumerate(prompts):
        alone = _encode(under_test, session, [prompt])
        for key, tensor in alone.tensors.items():
            torch.testing.assert_close(together.rows(i, i + 1).tensors[key], tensor, rtol=1e-4, atol=1e-5)


def test_predict_is_float32_and_pure(under_test: HostUnderTest, session: TrainingSession) -> None:
    conditioning = _encode(under_test, session, [f"a {NAME}", "a cat"])
    noisy, timesteps = under_test.latents(2), torch.tensor([1, 700])
    first, second = (session.predict(noisy, timesteps, conditioning) for _ in range(2))
    assert first.shape == noisy.shape
    assert first.dtype == torch.float32
    assert torch.equal(first, second)
    swapped = session.predict(noisy, timesteps.flip(0), conditioning)
    assert not torch.allclose(first, swapped)


def test_weights_gather_no_gradient(under_test: HostUnderTest, session: TrainingSession) -> None:
    """A weight that gathers gradient costs memory as large as itself."""
    vectors = under_test.vectors()
    go_back(
        session,
        [f"a {NAME}"],
        vectors,
        [under_test.size()],
        lambda read: session.predict(under_test.latents(1), torch.tensor([500]), read).square().mean(),
    )
    assert all(vector.grad is not None and vector.grad.abs().sum() > 0 for vector in vectors[NAME].values())
    weights = [weight for module in under_test.modules() for weight in module.parameters()]
    assert not any(weight.requires_grad or weight.grad is not None for weight in weights)


def test_latents_are_a_normal_distribution(under_test: HostUnderTest, session: TrainingSession) -> None:
    model = under_test.host.model()
    side = model.native_size
    pixels = torch.rand(3, 3, side, 2 * side, generator=torch.Generator().manual_seed(0)) * 2 - 1
    latents = session.encode_images(pixels)
    cells = side // model.pixel_multiple
    assert latents.mean.shape == latents.std.shape == (3, 4, cells, 2 * cells)
    assert latents.mean.dtype == latents.std.dtype == torch.float32
    assert (latents.std >= 0).all()
    assert not latents.mean.requires_grad
    assert torch.equal(session.encode_images(pixels[1:2]).mean, latents.mean[1:2])


def test_the_image_encoder_comes_back_when_it_is_needed(under_test: HostUnderTest, session: TrainingSession) -> None:
    session.offload_image_encoder()
    side = under_test.host.model().native_size
    assert session.preview(under_test.request(steps=1), under_test.vectors()).size == (side, side)
    session.offload_image_encoder()
    session.encode_images(torch.zeros(1, 3, side, side))


def test_the_noise_schedule_falls_from_almost_one(session: TrainingSession) -> None:
    alphas = session.alphas_cumprod
    assert alphas.shape == (1000,)
    assert alphas.dtype == torch.float32
    assert alphas.device.type == "cpu"
    assert (alphas.diff() < 0).all()
    assert alphas[0] > 0.99
    assert 0 < alphas[-1] < 0.01


def test_the_session_knows_its_model(under_test: HostUnderTest, session: TrainingSession) -> None:
    assert session.prediction_type == under_test.host.model().prediction_type
    session.check()


def _encode(under_test: HostUnderTest, session: TrainingSession, prompts: list[str]) -> Conditioning:
    with torch.no_grad():
        return session.encode_prompts(prompts, under_test.vectors(), [under_test.size()] * len(prompts))


def test_several_names_stand_for_their_own_vectors_each(under_test: HostUnderTest) -> None:
    """Also where one name begins with the other, as those of a pair do."""
    other, size = f"{NAME}-neg", [under_test.size()]
    vectors = {**under_test.vectors("red star"), **under_test.vectors("blue cat box", other)}
    prompt = f"a {NAME} beside a ({other}:1.2)"
    with under_test.host.training_session(SessionRequest(NAME, ROWS, others={other: 3})) as session:
        assert session.placeholder_rows(prompt) == {NAME: ROWS, other: 3}
        assert session.placeholder_rows(f"a {other}") == {NAME: 0, other: 3}
        named = session.encode_prompts([prompt], vectors, size)
        spelled = session.encode_prompts(["a red star beside a (blue cat box:1.2)"], vectors, size)
        for key, tensor in spelled.tensors.items():
            torch.testing.assert_close(named.tensors[key], tensor)
        go_back(session, [f"a {NAME}"], vectors, size, lambda read: _sum(under_test, session, read))
        assert all(vector.grad is not None and vector.grad.abs().sum() > 0 for vector in vectors[NAME].values())
        assert all(vector.grad is None or not vector.grad.any() for vector in vectors[other].values())
        go_back(session, [prompt], vectors, size, lambda read: _sum(under_test, session, read))
        assert all(vector.grad is not None and vector.grad.abs().sum() > 0 for vector in vectors[other].values())
    asked = under_test.host.placeholder_rows([prompt], SessionRequest(NAME, ROWS, others={other: 3}))
    assert asked == [{NAME: ROWS, other: 3}]


def _sum(under_test: HostUnderTest, session: TrainingSession, read: Conditioning) -> torch.Tensor:
    return session.predict(under_test.latents(1), torch.tensor([500]), read).square().mean()
