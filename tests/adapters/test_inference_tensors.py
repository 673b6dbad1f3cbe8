"""A user of Forge loses: every training, for its weights are made where no gradient is known."""

import torch
from torch import nn

from lib_ti.adapters.inference_tensors import make_ordinary
from lib_ti.adapters.unet import norms_kept_whole


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
