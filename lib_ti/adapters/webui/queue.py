"""Our work in the WebUI's queue: whoever asks for a picture meanwhile waits, and its progress bar and Interrupt are ours."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future, wait
from contextlib import contextmanager
from typing import Any

from lib_ti.adapters.webui.placeholder import embeddings_in_use
from lib_ti.errors import GivenUp, HostError

_ours = threading.Event()
"""Set while the WebUI's lock is held by us, so that nobody changes its model."""


@contextmanager
def exclusive(job: str, given_up: Callable[[], bool] = lambda: False) -> Iterator[None]:
    """Wait for the WebUI's other jobs, then keep them waiting. Not to be nested: the WebUI's lock would wait for itself.

    Raises GivenUp when `given_up` becomes True while it waits.
    """
    with turn(given_up), _shown(job):
        yield


@contextmanager
def turn(given_up: Callable[[], bool]) -> Iterator[None]:
    """The same for what the WebUI itself shows as its job."""
    from modules import call_queue

    _take_turn(call_queue.queue_lock, given_up)
    with _held(call_queue.queue_lock):
        yield


@contextmanager
def exclusive_if_free(job: str) -> Iterator[bool]:
    """The same where no job runs; else False at once, for the one that runs may be the one that asks."""
    from modules import call_queue

    if not call_queue.queue_lock.acquire(blocking=False):
        yield False
        return
    with _held(call_queue.queue_lock), _shown(job):
        yield True


@contextmanager
def _held(lock: Any) -> Iterator[None]:
    """Whoever has the lock gives it back at the end, once what is done in our time is done."""
    _ours.set()
    try:
        yield
    finally:
        with embeddings_in_use:
            _ours.clear()
            lock.release()


def read_embeddings(read: Callable[[], None]) -> None:
    """`read()`, while nobody can take the WebUI's model apart: with half a model it leaves files out, and prints a traceback for each.

    Now where no job runs, or one of ours does; else in a thread, once those that were asked for before are done.
    """
    with embeddings_in_use:
        if _ours.is_set():
            read()
            return
    with exclusive_if_free("Read the embeddings") as free:
        if free:
            read()
            return

    def wait_for_it() -> None:
        with exclusive("Read the embeddings"):
            read()

    threading.Thread(target=wait_for_it, name="TI Lab reads the embeddings", daemon=True).start()


_PARTED = (AttributeError, TypeError, LookupError, RuntimeError)
"""What may go wrong where a model is half there."""


@contextmanager
def model_whole(look: Callable[[], object]) -> Iterator[None]:
    """Raises HostError for what only goes wrong because a job of the WebUI is taking its model apart, to load another.

    `look` tells what is loaded, and raises where that is nothing whole. What goes wrong while it stays the same is a bug.
    """
    from modules import call_queue

    before = _seen(look)
    try:
        yield
    except _PARTED as error:
        if call_queue.queue_lock.acquire(blocking=False):
            call_queue.queue_lock.release()
            raise
        if before is not None and _seen(look) == before:
            raise
        raise HostError("The WebUI is changing its model.", "Wait until it has.") from error


def _seen(look: Callable[[], object]) -> object:
    try:
        return look()
    except (HostError, *_PARTED):
        return None


def _take_turn(lock: Any, given_up: Callable[[], bool]) -> None:
    """Whoever waits for the WebUI's lock cannot be called back: a thread waits instead, and passes on a turn that comes too late."""
    place: Future[None] = Future()

    def wait_for_it() -> None:
        lock.acquire()
        if place.set_running_or_notify_cancel():
            place.set_result(None)
        else:
            lock.release()

    threading.Thread(target=wait_for_it, name="TI Lab's place in the queue", daemon=True).start()
    while not wait([place], timeout=0.2).done:
        if given_up() and place.cancel():
            raise GivenUp("The WebUI was still at work.")


@contextmanager
def _shown(job: str) -> Iterator[None]:
    from modules import shared

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
