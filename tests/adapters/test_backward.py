"""A user of Forge would lose: every training, for its weights are made where no gradient is known, and work in place; and
everyone the right gradient, where a part of the network is computed twice."""

import torch
from torch import Tensor, nn

from lib_ti.adapters.backward import checkpointed, make_ordinary, norms_kept_whole


def test_weights_become_ordinary_with_their_values_flags_and_ties() -> None:
    with torch.inference_mode():
        network = nn.Sequential(nn.Linear(3, 3), nn.BatchNorm1d(3), nn.Linear(3, 3))
        network[2].weight = network[0].weight
        network[0].bias.requires_grad_(False)
    before = {name: tensor.tolist() for name, tensor in network.state_dict().items()}
    make_ordinary([network])
    assert {name: tensor.tolist() for name, tensor in network.state_dict().items()} == before
    assert not any(tensor.is_inference() for tensor in (*network.parameters(), *network.buffers()))
    assert network[2].weight is network[0].weight
    assert [network[0].bias.requires_grad, network[0].weight.requires_grad] == [False, True]
    x = torch.ones(2, 3, requires_grad=True)
    network(x).sum().backward()
    assert x.grad is not None


def test_ordinary_weights_stay_the_same_objects() -> None:
    network = nn.Linear(2, 2)
    weight = network.weight
    make_ordinary([network])
    assert network.weight is weight


class Block(nn.Module):
    """As Forge's transformer block: adds to what its norm has read."""

    def __init__(self) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(3)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = x * 1
        x += self.norm(x)
        return x


def test_gradient_passes_a_block_that_works_in_place_and_no_hook_is_left() -> None:
    block, x = Block(), torch.tensor([[1.0, 2.0, 4.0]], requires_grad=True)
    with norms_kept_whole(block):
        block(x).square().sum().backward()
    expected = torch.autograd.functional.jacobian(lambda x: (x + block.norm(x)).square().sum(), x.detach())
    torch.testing.assert_close(x.grad, expected)
    assert not block.norm._forward_pre_hooks


class Adding(nn.Module):
    """As a Forge's text layers do: it adds to what it reads, in place."""

    def __init__(self) -> None:
        super().__init__()
        self.norm, self.line = nn.LayerNorm(4), nn.Linear(4, 4)

    def forward(self, read: Tensor, scale: float = 1.0) -> Tensor:
        read += scale * torch.tanh(self.line(self.norm(read.clone())))
        return read


def gradient(parts: nn.Module, start: Tensor) -> Tensor:
    leaf = start.clone().requires_grad_()
    parts(leaf * 1.0).square().sum().backward()
    assert leaf.grad is not None
    return leaf.grad


def test_the_gradient_is_the_same_and_less_is_kept_for_it() -> None:
    torch.manual_seed(0)
    parts, start = nn.Sequential(*(Adding() for _ in range(3))), torch.randn(2, 4)
    plain = gradient(parts, start)
    kept: list[list[Tensor]] = [[], []]
    for number in (0, 1):
        with torch.autograd.graph.saved_tensors_hooks(lambda t, n=number: kept[n].append(t) or t, lambda t: t):
            if number:
                with checkpointed(parts):
                    assert torch.equal(gradient(parts, start), plain)
            else:
                gradient(parts, start)
    assert len(kept[1]) < len(kept[0])


def test_the_parts_are_left_as_they_were() -> None:
    part = Adding()
    with checkpointed([part]):
        assert "forward" in vars(part)
        assert torch.isfinite(part(torch.ones(1, 4), scale=2.0)).all()
    assert "forward" not in vars(part)
