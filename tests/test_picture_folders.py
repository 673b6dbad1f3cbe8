"""A user would lose: the way from a folder of pictures to a training, with a WebUI's captions or without."""

import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image

from lib_ti.config.dataset import DatasetConfig
from lib_ti.config.options import build_config
from lib_ti.config.train import DataPart
from lib_ti.control import Control
from lib_ti.errors import Busy, GivenUp, HostError, InvalidConfig, InvalidDataset
from lib_ti.events import Event, Finished, Saved, Warned, ignore
from lib_ti.picture_folders import PictureFolders
from tests.toy_host import ToyHost


class CaptioningHost(ToyHost):
    def captioners(self) -> list[str]:
        return ["BLIP"]

    def caption(self, image: Image.Image, name: str, given_up: Callable[[], bool]) -> str:
        if image.width == 13:
            raise HostError("BLIP failed.")
        return f"{name}: {image.width} wide"

    def find_faces(self, image: Image.Image) -> list[tuple[float, float]] | None:
        return [(0, 0)]


@pytest.fixture
def values(tmp_path: Path) -> dict[str, object]:
    folder = tmp_path / "in"
    folder.mkdir()
    for number, width in enumerate((40, 80)):
        Image.new("RGB", (width, 40), (number, 90, 0)).save(folder / f"{number} thing.png")
    return {"folders.source": str(folder), "folders.destination": str(tmp_path / "out")}


def config(values: dict[str, object], **changes: object) -> DatasetConfig:
    return build_config(DatasetConfig, {**values, **changes})


def test_the_hosts_captioners_and_size_are_used(tmp_path: Path, values: dict[str, object]) -> None:
    pictures, events = PictureFolders(CaptioningHost(tmp_path)), list[Event]()
    assert pictures.captioners() == ["BLIP"]
    values |= {"captions.by": "BLIP", "focal.on": True}
    out = pictures.prepare(config(values), events.append, Control())
    assert (out / "00001-0-thing.txt").read_text() == "BLIP: 64 wide"
    assert [(event.step, event.kind) for event in events if isinstance(event, Saved)] == [
        (2, "pictures"),
        (2, "captions"),
    ]
    assert events[-1] == Finished(2, out, stopped=False)
    assert not any(isinstance(event, Warned) for event in events)


def test_without_a_host_there_are_names_and_512_pixels(values: dict[str, object]) -> None:
    out = PictureFolders().prepare(config(values, **{"captions.by": "file names", "focal.on": True}), ignore, Control())
    assert (out / "00001-0-thing.txt").read_text() == "thing"
    assert Image.open(out / "00001-0-thing.png").size == (512, 512)
    with pytest.raises(InvalidConfig, match="there is no 'BLIP' here"):
        PictureFolders().prepare(config(values, **{"captions.by": "BLIP"}), ignore, Control())


def test_a_captioner_that_fails_ends_the_job_with_its_reason(tmp_path: Path, values: dict[str, object]) -> None:
    Image.new("RGB", (13, 13)).save(Path(str(values["folders.source"])) / "0.png")
    pictures = PictureFolders(CaptioningHost(tmp_path))
    job = pictures.start_preparing(config(values, **{"captions.by": "BLIP"}))
    assert job.wait(30)
    assert job.snapshot.state == "failed"
    assert job.snapshot.failure is not None
    assert "BLIP failed." in job.snapshot.failure.message


def test_a_preparation_is_stopped_and_a_second_one_is_refused_meanwhile(
    tmp_path: Path, values: dict[str, object]
) -> None:
    class Slow(CaptioningHost):
        asked, go_on = threading.Event(), threading.Event()

        def caption(self, image: Image.Image, name: str, given_up: Callable[[], bool]) -> str:
            self.asked.set()
            assert self.go_on.wait(30)
            return "words"

    pictures = PictureFolders(Slow(tmp_path))
    job = pictures.start_preparing(config(values, **{"captions.by": "BLIP"}))
    assert Slow.asked.wait(30)
    with pytest.raises(Busy, match="Prepare pictures is still running"):
        pictures.start_preparing(config(values))
    job.control.stop()
    Slow.go_on.set()
    assert job.wait(30)
    assert (job.snapshot.state, job.snapshot.step) == ("stopped", 1)
    assert {path.name for path in (tmp_path / "out").iterdir()} == {"00000-0-thing.png", "00000-0-thing.txt"}


def test_stop_ends_captioning_while_the_hosts_other_jobs_keep_it_waiting(
    tmp_path: Path, values: dict[str, object]
) -> None:
    class Waiting(CaptioningHost):
        asked = threading.Event()

        def caption(self, image: Image.Image, name: str, given_up: Callable[[], bool]) -> str:
            if image.width == 40:
                return "words"
            self.asked.set()
            while not given_up():
                time.sleep(0.01)
            raise GivenUp("The WebUI was still at work.")

    pictures = PictureFolders(Waiting(tmp_path))
    job = pictures.start_preparing(config(values, **{"captions.by": "BLIP"}))
    assert Waiting.asked.wait(30)
    job.control.stop()
    assert job.wait(30)
    assert (job.snapshot.state, job.snapshot.step) == ("stopped", 1)
    assert job.snapshot.result == tmp_path / "out"
    written = {path.name for path in (tmp_path / "out").iterdir()}
    assert written == {"00000-0-thing.png", "00000-0-thing.txt"}, "no picture without its caption"


def test_what_training_would_refuse_is_told_before(tmp_path: Path, values: dict[str, object]) -> None:
    folder = Path(str(values["folders.source"]))
    pictures = PictureFolders(ToyHost(tmp_path))
    dataset, shapes = pictures.validate(DataPart(folder=str(folder), template="subject_filewords"), "foo")
    assert (len(dataset.pictures), sum(shapes.values())) == (2, 2)
    assert "enlarged" in dataset.warnings[0]
    (folder / "2.png").write_bytes(b"broken")
    Image.new("RGB", (4, 4)).save(folder / "3.png")
    with pytest.raises(InvalidDataset) as told:
        pictures.validate(DataPart(folder=str(folder), template="subject_filewords"), "foo")
    assert [fault.where for fault in told.value.faults] == ["2.png", "3.png"]
