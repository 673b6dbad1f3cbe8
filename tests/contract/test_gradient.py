"""The gradient that trains an embedding is the true one, for every encoder: measured by finite differences."""

from collections.abc import Mapping, Sequence
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from lib_ti.config.train import LossPart
from lib_ti.host import Conditioning, Host, SessionRequest, TrainingSession
from lib_ti.training.update import Sample, accumulate_gradient
from tests.contract.conftest import NAME, ROWS, HostUnderTest, go_back

PROMPTS = [f"a photo of a {NAME}", f"a ({NAME}:1.2), two of {NAME}"]


@pytest.mark.parametrize("checkpointing", [False, True])
def test_gradient_agrees_with_finite_differences(under_test: HostUnderTest, checkpointing: bool) -> None:
    vectors = under_test.vectors()
    noisy, timesteps = under_test.latents(2), torch.tensor([150, 600])
    weights = under_test.latents(2, seed=1)
    request = SessionRequest(NAME, ROWS, checkpointing=checkpointing)
    with under_test.host.training_session(request) as session:
        sizes = [under_test.size()] * 2

        def error(conditioning: Conditioning) -> Tensor:
            return (session.predict(noisy, timesteps, conditioning) * weights).double().sum()

        def loss(vectors: Mapping[str, Tensor]) -> Tensor:
            return error(session.encode_prompts(PROMPTS, {NAME: vectors}, sizes))

        go_back(session, PROMPTS, vectors, sizes, error)
        for name, vector in vectors[NAME].items():
            assert vector.grad is not None
            for direction in (vector.grad / vector.grad.norm(), _random_direction(vector)):
                slope = _slope(loss, vectors[NAME], name, direction)
                exact = (vector.grad * direction).sum().item()
                assert slope == pytest.approx(exact, rel=0.02, abs=0.005 * vector.grad.norm().item()), name


def test_micro_batches_add_up(under_test: HostUnderTest) -> None:
    with under_test.host.training_session(SessionRequest(NAME, ROWS)) as session:
        whole, split = (_gradient(under_test, session, micro_batch) for micro_batch in (2, 1))
    for name, expected in whole.items():
        assert (split[name] - expected).norm() <= 1e-4 * expected.norm(), name


def test_an_update_is_right_where_the_host_moves_its_weights_from_call_to_call(under_test: HostUnderTest) -> None:
    """A user of A1111's --medvram, or of a Forge on a small card, would lose every training."""
    with under_test.host.training_session(SessionRequest(NAME, ROWS)) as session:
        still = _gradient(under_test, session, 1)
        with _Moving(session, under_test) as moving:
            moved = _gradient(under_test, moving, 1)
    for name, expected in still.items():
        assert torch.equal(moved[name], expected), name


def test_prompts_encoded_again_are_the_same_with_and_without_a_graph(under_test: HostUnderTest) -> None:
    """The gradient is taken at the conditioning of the first time, and goes back through the second."""
    sizes = [under_test.size()] * 2
    with under_test.host.training_session(SessionRequest(NAME, ROWS)) as session:
        vectors = under_test.vectors()
        first = session.encode_prompts(PROMPTS, vectors, sizes).tensors
        torch.manual_seed(99)
        again = session.encode_prompts(PROMPTS, vectors, sizes).tensors
        with torch.no_grad():
            without = session.encode_prompts(PROMPTS, vectors, sizes).tensors
    for key, tensor in first.items():
        assert torch.equal(again[key], tensor), key
        assert not without[key].requires_grad, key
        torch.testing.assert_close(without[key], tensor, rtol=1e-4, atol=1e-5)


def test_every_conditioning_tensor_that_text_makes_carries_gradient(under_test: HostUnderTest, host: Host) -> None:
    """A pooled output that is computed apart is easily left out."""
    with host.training_session(SessionRequest(NAME, ROWS)) as session:
        vectors = under_test.vectors()
        conditioning = session.encode_prompts([PROMPTS[0]], vectors, [under_test.size()])
        plain = session.encode_prompts(["a photo of a cat"], vectors, [under_test.size()])
        for key, tensor in conditioning.tensors.items():
            if not torch.equal(tensor, plain.tensors[key]):
                assert tensor.requires_grad, key


class _Moving:
    """A session whose host has on the device what a call needs, and the rest away: here its weights are no numbers meanwhile."""

    def __init__(self, session: TrainingSession, under_test: HostUnderTest) -> None:
        self._session = session
        self._texts = _weights(under_test.text_modules())
        known = {id(weight) for weight in self._texts}
        self._rest = [weight for weight in _weights(under_test.modules()) if id(weight) not in known]
        self._away: list[tuple[nn.Parameter, Tensor]] = []

    def __enter__(self) -> Any:
        return self

    def __exit__(self, *_: object) -> None:
        self._send_away([])

    def __getattr__(self, name: str) -> Any:
        return getattr(self._session, name)

    def encode_prompts(self, *args: Any) -> Conditioning:
        self._send_away(self._rest)
        return self._session.encode_prompts(*args)

    def predict(self, *args: Any) -> Tensor:
        self._send_away(self._texts)
        return self._session.predict(*args)

    def _send_away(self, weights: Sequence[nn.Parameter]) -> None:
        for weight, values in self._away:
            weight.data = values
        self._away = [(weight, weight.data) for weight in weights]
        for weight in weights:
            weight.data = torch.full((), float("nan"), dtype=weight.dtype, device=weight.device).expand(weight.shape)


def _weights(modules: Sequence[nn.Module]) -> list[nn.Parameter]:
    return list({id(weight): weight for module in modules for weight in module.parameters()}.values())


def _gradient(under_test: HostUnderTest, session: TrainingSession, micro_batch: int) -> dict[str, Tensor]:
    vectors, size = under_test.vectors(), under_test.size()
    latents, noise = under_test.latents(2), under_test.latents(2, seed=1)
    samples = [
        Sample(*row, timestep) for *row, timestep in zip(PROMPTS, [size] * 2, latents, noise, [150, 600], strict=True)
    ]
    accumulate_gradient(session, vectors, samples, micro_batch, LossPart())
    return {name: vector.grad for name, vector in vectors[NAME].items() if vector.grad is not None}


def _random_direction(vector: Tensor) -> Tensor:
    direction = torch.randn(vector.shape, generator=torch.Generator().manual_seed(5))
    return direction / direction.norm()


@torch.no_grad()
def _slope(loss, vectors: Mapping[str, Tensor], name: str, direction: Tensor) -> float:  # type: ignore[no-untyped-def]
    """Central differences, large against float32's rounding, at two steps: together they cancel the third derivative."""

    def difference(step: float) -> float:
        there, back = ({**vectors, name: vectors[name] + sign * step * direction} for sign in (1, -1))
        return float((loss(there) - loss(back)) / (2 * step))

    step = 0.01 * vectors[name].norm(dim=1).mean().item()
    return (4 * difference(step / 2) - difference(step)) / 3
