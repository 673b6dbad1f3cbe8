"""A user loses: the end of a run, and the new embedding in prompts, where another checkpoint was chosen meanwhile; and what is
wrong, where a mistake is called by another name."""

import threading
import time
from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import Any

import pytest

from lib_ti.adapters.webui import queue, txt2img
from lib_ti.adapters.webui.host import WebuiHost
from lib_ti.errors import HostError
from tests.adapters.fake_modules import put_modules


class Host(WebuiHost):
    """Its model cannot be asked for anything while `torn`, as when reForge drops it: attributes are gone one by one.
    A reading in which the model is torn leaves files out, and prints a traceback for each."""

    def __init__(self) -> None:
        self.torn = False
        self.complete: list[bool] = []

    def _ask(self, _: Any = None) -> str:
        if self.torn:
            raise TypeError("argument of type 'NoneType' is not iterable")
        return "a model"

    _describe = _find_encoders = _ask  # type: ignore[assignment]

    def pending_model(self) -> str:
        return ""

    def _load_chosen(self) -> Any:
        raise NotImplementedError

    def _validate_trainable(self, sd_model: Any) -> None:
        raise NotImplementedError

    def _read_embeddings(self) -> None:
        self.complete.append(not self.torn)

    def _databases(self, sd_model: Any) -> list[Any]:
        return []

    def _placeholder(self, *_: Any) -> Any:
        raise NotImplementedError

    def _ready_session(self, *_: Any) -> Any:
        raise NotImplementedError


@pytest.fixture
def lock(monkeypatch: pytest.MonkeyPatch) -> Iterator[threading.Lock]:
    lock = threading.Lock()
    state = SimpleNamespace(begin=lambda job: None, end=lambda: None)
    data = SimpleNamespace(sd_model=SimpleNamespace(sd_checkpoint_info=None))
    parts: dict[str, dict[str, Any]] = {
        "call_queue": {"queue_lock": lock},
        "shared": {"state": state},
        "sd_models": {"model_data": data},
    }
    put_modules(monkeypatch, "modules", parts)
    monkeypatch.setattr(txt2img, "forget_conditioning", lambda: None)
    return lock


def wait_for(condition: Callable[[], object]) -> None:
    end = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.01)


@pytest.mark.parametrize("begun", [True, False])
def test_embeddings_are_read_once_the_webui_has_changed_its_model(lock: threading.Lock, begun: bool) -> None:
    """What it does with half a model is on the console: a traceback for each file. Nobody waits for it."""
    host = Host()
    lock.acquire()
    host.torn = begun  # or will be in a moment
    host.refresh_embeddings()
    host.torn = True
    time.sleep(0.1)
    assert host.complete == []
    host.torn = False
    lock.release()
    wait_for(lambda: host.complete)
    assert host.complete == [True]
    wait_for(lambda: lock.acquire(blocking=False))  # the next picture has its turn


def test_embeddings_are_read_at_once_where_no_job_runs_or_one_of_ours(lock: threading.Lock) -> None:
    host = Host()
    host.refresh_embeddings()
    with queue.exclusive("Train foo"):
        host.refresh_embeddings()
    assert host.complete == [True, True]
    assert lock.acquire(blocking=False)


def test_a_page_that_asks_for_a_model_which_is_being_changed_gets_the_reason(lock: threading.Lock) -> None:
    host = Host()
    host.torn = True
    with lock:
        for ask in (host.model, lambda: host.tokenize("cat")):
            with pytest.raises(HostError, match="changing its model"):
                ask()
    with pytest.raises(TypeError):  # nobody changes it: a fault that must not be called anything else
        host.model()


def test_a_mistake_of_ours_is_called_by_its_name_while_a_picture_is_made(
    lock: threading.Lock, monkeypatch: pytest.MonkeyPatch
) -> None:
    host = Host()
    monkeypatch.setattr(host, "_describe", lambda sd_model: sd_model.no_such_thing)
    with lock, pytest.raises(AttributeError, match="no_such_thing"):
        host.model()


def test_a_model_that_became_another_in_mid_question_is_the_reason(
    lock: threading.Lock, monkeypatch: pytest.MonkeyPatch
) -> None:
    from modules import sd_models  # type: ignore[import-not-found]

    def change(sd_model: Any) -> None:
        sd_models.model_data.sd_model = SimpleNamespace(sd_checkpoint_info="another")
        raise AttributeError("conditioner")

    host = Host()
    monkeypatch.setattr(host, "_describe", change)
    with lock, pytest.raises(HostError, match="changing its model"):
        host.model()
