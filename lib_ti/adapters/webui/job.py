"""Our work in the WebUI's queue: whoever asks for a picture meanwhile waits, and its progress bar and Interrupt are ours."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def exclusive(job: str) -> Iterator[None]:
    """Wait for the WebUI's other jobs, then keep them waiting. Not to be nested: the WebUI's lock would wait for itself."""
    from modules import call_queue, shared

    with call_queue.queue_lock:
        shared.state.begin(job=job)
        try:
            yield
        finally:
            shared.state.end()
            clear_interrupt()


def interrupted() -> bool:
    from modules import shared

    return bool(shared.state.interrupted or shared.state.stopping_generation)


def clear_interrupt() -> None:
    from modules import shared

    shared.state.interrupted = shared.state.skipped = shared.state.stopping_generation = False


def show_progress(done: int, total: int) -> None:
    from modules import shared

    shared.state.job_no, shared.state.job_count = done, total
    shared.state.textinfo = f"Training step {done} of {total}"
