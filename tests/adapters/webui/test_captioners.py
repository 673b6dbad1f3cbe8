"""A user would lose: captions and faces by the WebUI's own models, or the reason why there are none."""

import sys
import threading
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest
from PIL import Image

from lib_ti.adapters.webui.captioners import caption, captioners, find_faces
from lib_ti.errors import GivenUp, HostError

PICTURE = Image.new("RGB", (8, 8))


def never() -> bool:
    return False


@pytest.fixture
def webui(monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    """A stand-in: what its captioners answer, and the lock that its pictures hold."""
    answers = SimpleNamespace(lock=threading.Lock(), blip="a dog", tags="dog, 1girl", detector="yunet.onnx", held=[])

    def answer(name: str) -> Any:
        answers.held.append(answers.lock.locked())
        value = getattr(answers, name)
        if isinstance(value, Exception):
            raise value
        return value

    class Cv2Error(Exception):
        pass

    def faces(image: Image.Image, settings: Any) -> list[Any]:
        if settings == "broken":
            raise Cv2Error
        return [SimpleNamespace(x=3, y=4)]

    autocrop = SimpleNamespace(
        download_and_cache_models=lambda: answer("detector"),
        image_face_points=faces,
        Settings=lambda dnn_model_path: dnn_model_path,
        cv2=SimpleNamespace(error=Cv2Error),
    )
    parts = {
        "modules": {},
        "modules.call_queue": {"queue_lock": answers.lock},
        "modules.shared": {"interrogator": SimpleNamespace(interrogate=lambda image: answer("blip"))},
        "modules.deepbooru": {"model": SimpleNamespace(tag=lambda image: answer("tags"))},
        "modules.textual_inversion": {"autocrop": autocrop},
    }
    for name, attributes in parts.items():
        module = ModuleType(name)
        module.__dict__.update(attributes, __path__=[], __spec__=SimpleNamespace())
        monkeypatch.setitem(sys.modules, name, module)
        if "." in name:
            setattr(sys.modules["modules"], name.split(".")[1], module)
    return answers


def test_the_webuis_words_come_while_its_pictures_wait(webui: SimpleNamespace) -> None:
    assert caption(PICTURE, "BLIP", never) == "a dog"
    assert caption(PICTURE, "Deepbooru", never) == "dog, 1girl"
    assert webui.held == [True, True]
    assert not webui.lock.locked()


def test_only_what_this_webui_has_is_offered(webui: SimpleNamespace) -> None:
    assert captioners() == ["Deepbooru"]


@pytest.mark.parametrize("answer", ["a dog<error>", OSError("no connection"), RuntimeError("out of memory")])
def test_a_model_that_fails_is_reported_and_its_words_are_not_used(webui: SimpleNamespace, answer: Any) -> None:
    webui.blip = answer
    with pytest.raises(HostError, match="BLIP failed in the WebUI"):
        caption(PICTURE, "BLIP", never)
    assert not webui.lock.locked()


def test_stop_ends_the_wait_for_the_webuis_pictures_and_its_queue_goes_on(webui: SimpleNamespace) -> None:
    stop = threading.Event()
    threading.Timer(0.1, stop.set).start()
    with webui.lock, pytest.raises(GivenUp):
        caption(PICTURE, "BLIP", stop.is_set)
    assert webui.held == [], "nobody was asked"
    assert caption(PICTURE, "BLIP", never) == "a dog", "the turn that came too late was passed on"


def test_faces_are_places_and_a_missing_or_broken_detector_is_none(webui: SimpleNamespace) -> None:
    assert find_faces(PICTURE) == [(3.0, 4.0)]
    webui.detector = "broken"
    assert find_faces(PICTURE) is None
    webui.detector = OSError("no connection")
    assert find_faces(PICTURE) is None
