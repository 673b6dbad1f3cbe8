"""A user would lose: the right gradient, where a part of the network is computed twice."""

import torch
from torch import Tensor, nn

from lib_ti.adapters.checkpointing import checkpointed


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
