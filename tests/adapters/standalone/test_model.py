"""A user would lose: the device and the precision that were asked for, or the reason why they cannot be had."""

import pytest
import torch

from lib_ti.adapters.standalone.model import choose_device, choose_dtype
from lib_ti.errors import HostError


def test_a_device_is_always_found() -> None:
    assert choose_device("auto").type in ("cuda", "mps", "cpu")
    assert choose_device("cpu") == torch.device("cpu")


@pytest.mark.parametrize("name", ["gpu", "cuda:99", "xpu:0", "meta"])
def test_a_device_that_cannot_be_used_is_named(name: str) -> None:
    with pytest.raises(HostError, match=name):
        choose_device(name)


def test_precision_follows_the_device() -> None:
    assert choose_dtype("auto", torch.device("cpu")) == torch.float32
    assert choose_dtype("auto", torch.device("mps")) == torch.float32
    assert choose_dtype("bf16", torch.device("cpu")) == torch.bfloat16
    with pytest.raises(HostError, match="int8"):
        choose_dtype("int8", torch.device("cpu"))
