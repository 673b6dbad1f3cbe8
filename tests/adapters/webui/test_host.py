"""A user loses: the end of a run, and the new embedding in prompts, where another checkpoint was chosen meanwhile."""

import threading
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest

from lib_ti.adapters.webui import txt2img
from lib_ti.adapters.webui.host import WebuiHost
from lib_ti.errors import HostError
from tests.adapters.fake_modules import put_modules


class Host(WebuiHost):
    """Its model cannot be asked for anything while `torn`, as when reForge drops it: attributes are gone one by one.
    A reading in which the model is torn leaves files out, without a word."""

    def __init__(self, tear: bool = False) -> None:
        self.torn, self.tear = False, tear
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
        if self.tear:
            self.torn, self.tear = True, False
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


@pytest.mark.parametrize("begun", [True, False])
def test_embeddings_are_read_once_the_webui_has_changed_its_model(lock: threading.Lock, begun: bool) -> None:
    host = Host(tear=not begun)
    host.torn = begun
    lock.acquire()
    reading = threading.Thread(target=host.refresh_embeddings, daemon=True)
    reading.start()
    reading.join(0.5)
    assert reading.is_alive()
    host.torn = False
    lock.release()
    reading.join(10)
    assert not reading.is_alive()
    assert host.complete[-1]
    assert lock.acquire(blocking=False), "the next picture has its turn"


def test_embeddings_are_read_at_once_while_a_picture_is_made(lock: threading.Lock) -> None:
    with lock:
        host = Host()
        host.refresh_embeddings()
        assert host.complete == [True]


def test_a_page_that_asks_for_a_model_which_is_being_changed_gets_the_reason(lock: threading.Lock) -> None:
    host = Host()
    host.torn = True
    with lock:
        for ask in (host.model, lambda: host.tokenize("cat")):
            with pytest.raises(HostError, match="changing its model"):
                ask()
    for ask in (host.model, host.refresh_embeddings):
        with pytest.raises(TypeError):  # nobody changes it: a fault that must not be called anything else
            ask()
