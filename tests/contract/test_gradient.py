"""The gradient that trains an embedding is the true one, for every encoder: measured by finite differences."""

from collections.abc import Mapping

import pytest
import torch
from torch import Tensor

from lib_ti.host import Host, SessionRequest
from tests.contract.conftest import NAME, ROWS, HostUnderTest

PROMPTS = [f"a photo of a {NAME}", f"a ({NAME}:1.2), two of {NAME}"]


@pytest.mark.parametrize("checkpointing", [False, True])
def test_gradient_agrees_with_finite_differences(under_test: HostUnderTest, checkpointing: bool) -> None:
    vectors = under_test.vectors()
    noisy, timesteps = under_test.latents(2), torch.tensor([150, 600])
    weights = under_test.latents(2, seed=1)
    request = SessionRequest(NAME, ROWS, checkpointing=checkpointing)
    with under_test.host.training_session(request) as session:

        def loss(vectors: Mapping[str, Tensor]) -> Tensor:
            conditioning = session.encode_prompts(PROMPTS, vectors, [under_test.size()] * 2)
            return (session.predict(noisy, timesteps, conditioning) * weights).double().sum()

        loss(vectors).backward()
        for name, vector in vectors.items():
            assert vector.grad is not None
            for direction in (vector.grad / vector.grad.norm(), _random_direction(vector)):
                slope = _slope(loss, vectors, name, direction)
                exact = (vector.grad * direction).sum().item()
                assert slope == pytest.approx(exact, rel=0.02, abs=0.005 * vector.grad.norm().item()), name


def test_micro_batches_add_up(under_test: HostUnderTest) -> None:
    """The loop encodes once, cuts the graph at the conditioning, and sends back the sum of the pieces' gradients."""
    noisy, timesteps = under_test.latents(2), torch.tensor([150, 600])
    with under_test.host.training_session(SessionRequest(NAME, ROWS)) as session:
        whole, split = under_test.vectors(), under_test.vectors()
        conditioning = session.encode_prompts(PROMPTS, whole, [under_test.size()] * 2)
        session.predict(noisy, timesteps, conditioning).square().sum().backward()

        conditioning = session.encode_prompts(PROMPTS, split, [under_test.size()] * 2)
        cut = {key: t.detach().requires_grad_() for key, t in conditioning.tensors.items() if t.requires_grad}
        leaves = type(conditioning)({**conditioning.tensors, **cut})
        for i in range(2):
            session.predict(noisy[i : i + 1], timesteps[i : i + 1], leaves.rows(i, i + 1)).square().sum().backward()
        torch.autograd.backward([conditioning.tensors[key] for key in cut], [leaf.grad for leaf in cut.values()])
    for name in whole:
        grad, expected = split[name].grad, whole[name].grad
        assert grad is not None
        assert expected is not None
        assert (grad - expected).norm() <= 1e-4 * expected.norm(), name


def test_every_conditioning_tensor_that_text_makes_carries_gradient(under_test: HostUnderTest, host: Host) -> None:
    """A pooled output that is computed apart is easily left out."""
    with host.training_session(SessionRequest(NAME, ROWS)) as session:
        vectors = under_test.vectors()
        conditioning = session.encode_prompts([PROMPTS[0]], vectors, [under_test.size()])
        plain = session.encode_prompts(["a photo of a cat"], vectors, [under_test.size()])
        for key, tensor in conditioning.tensors.items():
            if not torch.equal(tensor, plain.tensors[key]):
                assert tensor.requires_grad, key


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
