"""A device that runs out of memory is no bug of ours: the user is told what needs less."""

import re
import traceback
from collections.abc import Iterator
from contextlib import contextmanager

from lib_ti.errors import TrainingFailed

_SAYS_SO = re.compile(r"out of memory|can't allocate memory", re.IGNORECASE)
"""CUDA and MPS say the first, torch's allocator on the CPU the second; only CUDA's has a type of its own."""


@contextmanager
def memory_faults_told() -> Iterator[None]:
    """Raises TrainingFailed in the place of torch's error, with nothing of the run held any longer by its traceback."""
    try:
        yield
    except RuntimeError as error:
        if not _SAYS_SO.search(str(error)):
            raise
        traceback.clear_frames(error.__traceback__)
        reason = str(error).strip().splitlines()[0].rstrip(".")
        raise TrainingFailed(
            f"The memory ran out: {reason}.",
            "Vectors of the steps that were done are saved. Train with smaller pictures (Width, Height), micro-batches of 1 or "
            "Gradient checkpointing, or move the VAE to RAM; then resume.",
        ) from None
