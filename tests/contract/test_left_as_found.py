"""A WebUI goes on working after training, however training ended."""

import random
from contextlib import nullcontext
from typing import Any

import numpy as np
import pytest
import torch

from lib_ti.errors import TrainingFailed
from lib_ti.host import SessionRequest
from tests.contract.conftest import NAME, ROWS, HostUnderTest, go_back


class _Stop(BaseException):
    """Like KeyboardInterrupt: no Exception."""


@pytest.mark.parametrize("ending", [None, TrainingFailed("NaN"), _Stop()], ids=["success", "error", "stop"])
def test_the_host_is_left_as_found(under_test: HostUnderTest, ending: BaseException | None) -> None:
    with under_test.host.training_session(SessionRequest("warm", ROWS)) as session:
        # A host may load its model only now, and Forge makes its token table float32 at the first prompt of any kind.
        session.encode_prompts(["a cat"], under_test.vectors(), [under_test.size()])
    before = state_of(under_test)
    expected = pytest.raises(type(ending)) if ending else nullcontext()
    request = SessionRequest(NAME, ROWS, clip_skip=2, checkpointing=True)
    with expected, under_test.host.training_session(request) as session:
        torch.manual_seed(0)
        random.random()
        np.random.rand()
        vectors = under_test.vectors()
        go_back(
            session,
            [f"a {NAME}"],
            vectors,
            [under_test.size()],
            lambda read: session.predict(under_test.latents(1), torch.tensor([500]), read).sum(),
        )
        session.offload_image_encoder()
        if ending is not None:
            raise ending
    after = state_of(under_test)
    assert before.keys() == after.keys()
    changed = [key for key in before if before[key] != after[key]]
    assert changed == []


def test_a_second_session_gives_the_same_numbers(under_test: HostUnderTest) -> None:
    predictions = []
    for _ in range(2):
        with under_test.host.training_session(SessionRequest(NAME, ROWS)) as session, torch.no_grad():
            conditioning = session.encode_prompts([f"a {NAME}"], under_test.vectors(), [under_test.size()])
            predictions.append(session.predict(under_test.latents(1), torch.tensor([500]), conditioning))
    assert torch.equal(*predictions)


def state_of(under_test: HostUnderTest) -> dict[str, Any]:
    state: dict[str, Any] = {
        "python": random.getstate(),
        "numpy": str(np.random.get_state()),
        "torch": torch.get_rng_state().numpy().tobytes(),
        "default dtype": torch.get_default_dtype(),
        "grad": torch.is_grad_enabled(),
    }
    for i, root in enumerate(under_test.modules()):
        for name, module in root.named_modules():
            hooks = (len(module._forward_hooks), len(module._forward_pre_hooks), len(module._backward_hooks))
            processor = type(getattr(module, "processor", None)).__name__
            checkpointing = getattr(module, "gradient_checkpointing", None)
            state[f"{i}.{name}"] = (module.training, hooks, processor, checkpointing, "forward" in vars(module))
        for name, tensor in [*root.named_parameters(), *root.named_buffers()]:
            content = hash(tensor.detach().cpu().flatten().view(torch.uint8).numpy().tobytes())
            state[f"{i}.{name} values"] = (content, tensor.dtype, tensor.device, tensor.requires_grad, tensor.grad)
    return state
