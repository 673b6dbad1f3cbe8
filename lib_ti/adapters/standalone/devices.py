"""Where to compute, and how precisely."""

from collections.abc import Callable

import torch

from lib_ti.errors import HostError

_DTYPES = {
    "fp32": torch.float32,
    "float32": torch.float32,
    "bf16": torch.bfloat16,
    "bfloat16": torch.bfloat16,
    "fp16": torch.float16,
    "float16": torch.float16,
}


def choose_device(name: str) -> torch.device:
    """ "auto" takes a CUDA card, else Apple's GPU, else the processor."""
    if name == "auto":
        if torch.cuda.is_available():
            return torch.device("cuda")
        return torch.device("mps" if torch.backends.mps.is_available() else "cpu")
    try:
        device = torch.device(name)
    except RuntimeError as error:
        raise HostError(f"There is no device called {name!r}.", "Use auto, cuda, cuda:1, mps or cpu.") from error
    ready: dict[str, Callable[[], bool]] = {
        "cuda": torch.cuda.is_available,
        "mps": torch.backends.mps.is_available,
        "cpu": lambda: True,
    }
    if not ready.get(device.type, lambda: False)():
        raise HostError(
            f"The device {name!r} cannot be used by the installed torch {torch.__version__}.",
            "Use --device cpu, or install a build of torch for this device.",
        )
    if device.type == "cuda" and (device.index or 0) >= torch.cuda.device_count():
        raise HostError(f"There is no device {name!r}.", f"{torch.cuda.device_count()} CUDA devices are there.")
    return device


def choose_dtype(name: str, device: torch.device) -> torch.dtype:
    """ "auto" is bf16 on a CUDA card that has it, else fp16 there; float32 elsewhere, where half precision gains nothing."""
    if name != "auto":
        if name not in _DTYPES:
            raise HostError(f"There is no precision called {name!r}.", "Use auto, fp32, bf16 or fp16.")
        return _DTYPES[name]
    if device.type != "cuda":
        return torch.float32
    return torch.bfloat16 if torch.cuda.is_bf16_supported() else torch.float16
