"""A user would wait for ever, or lose the memory of the machine, by one odd thing in a folder."""

import os
import re
import signal
import socket
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import torch
from PIL import Image

from lib_ti import reading
from lib_ti.adapters.standalone.checkpoint import load_header as load_checkpoint_header
from lib_ti.adapters.standalone.session import EmbeddingFolder
from lib_ti.adapters.standalone.source import open_source, weights_file
from lib_ti.cli.flags import load_settings
from lib_ti.dataset.caption import find_caption
from lib_ti.dataset.folder import list_pictures
from lib_ti.dataset.picture import load_image
from lib_ti.dataset.template import find_template, known_templates, load_template
from lib_ti.embedding.embedding import Embedding
from lib_ti.errors import InvalidDataset, TIError
from lib_ti.formats.files import load_bundle, load_embedding, load_header, save_embedding
from lib_ti.host import EncoderInfo, ModelInfo
from lib_ti.library.conversion import convert_files
from lib_ti.library.header_cache import HeaderCache
from lib_ti.library.listing import list_library, read_entry
from lib_ti.reading import open_file, read_file, read_json, read_text
from lib_ti.training.log import read_losses
from lib_ti.training.preview import card_path, save_card
from lib_ti.training.state import load_optim, load_state
from lib_ti.ui.html.data_uri import find_data_uri
from tests.embeddings import vectors

pytestmark = pytest.mark.skipif(os.name == "nt", reason="Windows has no pipes among its files")
SD1 = ModelInfo("m", "0123456789", "sd1", (EncoderInfo("clip_l", 768, 49407),), "epsilon", 512)


class Waited(BaseException):
    """No kind of Exception: nobody may take it for a damaged file."""


@pytest.fixture(autouse=True)
def at_most_20_seconds() -> Iterator[None]:
    def end(*_: object) -> None:
        raise Waited

    before = signal.signal(signal.SIGALRM, end)
    signal.alarm(20)
    yield
    signal.alarm(0)
    signal.signal(signal.SIGALRM, before)


def pipe(folder: Path, name: str) -> Path:
    os.mkfifo(folder / name)
    return folder / name


READERS: dict[str, Callable[[Path], object]] = {
    "x.safetensors": load_header,
    "x.pt": load_embedding,
    "x.bin": load_bundle,
    "x.state": load_state,
    "x.pt.optim": lambda path: load_optim(path, torch.zeros(1, 768)),
    "x.yaml": load_settings,
    "x.json": load_settings,
    "x.txt": load_template,
    "x.png": load_image,
    "model.safetensors": load_checkpoint_header,
    "model.ckpt": lambda path: open_source(str(path)),
    "unet": lambda path: open_source(str(path)),
}


@pytest.mark.parametrize("name", READERS)
def test_a_pipe_that_is_named_is_told_at_once(tmp_path: Path, name: str) -> None:
    with pytest.raises(TIError, match=r"pipe|no model"):
        READERS[name](pipe(tmp_path, name))


@pytest.mark.parametrize("device", ["/dev/zero", "/dev/stdin"])
def test_a_device_that_is_named_is_told(device: str) -> None:
    if Path(device).is_file():
        pytest.skip("the standard input is a file here")
    for load in (load_header, load_state, load_settings):
        with pytest.raises(TIError):
            load(Path(device))


def test_pipes_among_embeddings_are_passed_over(tmp_path: Path) -> None:
    save_embedding(Embedding("good", {"clip_l": vectors(1, 768)}, family="sd1"), tmp_path / "good.safetensors")
    for name in ("a.safetensors", "b.pt", "c.png", "good.preview.png", "good.png"):
        pipe(tmp_path, name)
    server = socket.socket(socket.AF_UNIX)
    server.bind(str(tmp_path / "d.pt"))
    (entry,) = list_library(tmp_path)
    assert (entry.name, entry.fault, entry.thumbnail) == ("good", "", None)
    assert set(EmbeddingFolder(tmp_path, tmp_path / "logs").fitting(SD1)) == {"good"}
    for form in ("safetensors", "png"):
        assert len(convert_files([tmp_path], form, tmp_path / "out").written) == 1
    assert [fault.where for fault in convert_files([tmp_path / "b.pt"], "pt", tmp_path / "out").faults] == [
        str(tmp_path / "b.pt")
    ]
    assert read_entry(tmp_path / "b.pt").fault
    server.close()


def test_pipes_among_pictures_and_templates_are_passed_over(tmp_path: Path) -> None:
    Image.new("RGB", (8, 8)).save(tmp_path / "cat.png")
    for name in ("a.png", "cat.txt", "mine.txt"):
        pipe(tmp_path, name)
    (tmp_path / "folder.txt").mkdir()
    assert [file.name for file in list_pictures(tmp_path)] == ["cat.png"]
    assert find_caption(tmp_path / "cat.png") == "cat"
    assert not {"mine", "cat", "folder"} & set(known_templates([tmp_path]))
    with pytest.raises(InvalidDataset, match="no template"):
        find_template(str(tmp_path / "mine.txt"))


def test_pipes_among_what_we_wrote_ourselves_are_passed_over(tmp_path: Path) -> None:
    assert read_losses(pipe(tmp_path, "textual_inversion_loss.csv")) == []
    save_embedding(Embedding("good", {"clip_l": vectors(1, 768)}, family="sd1"), tmp_path / "good.safetensors")
    cache = HeaderCache(pipe(tmp_path, "headers.json"))
    assert not isinstance(cache.header(tmp_path / "good.safetensors", 1, 1), str)
    assert find_data_uri(pipe(tmp_path, "shown.png"), 64) is None
    assert not save_card(b"", tmp_path / "good.safetensors") or not card_path(tmp_path / "good.safetensors").is_fifo()


def test_a_card_that_is_a_pipe_is_left_as_it_is(tmp_path: Path) -> None:
    card = pipe(tmp_path, "good.preview.png")
    assert not save_card(b"", tmp_path / "good.safetensors")
    assert card.is_fifo()


def test_a_pipe_among_a_models_parts_is_passed_over(tmp_path: Path) -> None:
    pipe(tmp_path, "a.safetensors")
    (tmp_path / "b.safetensors").write_bytes(b"")
    assert weights_file(tmp_path).name == "b.safetensors"


def test_what_is_too_large_is_told_before_it_is_read(tmp_path: Path) -> None:
    path = tmp_path / "x.txt"
    with path.open("wb") as file:
        file.truncate(2**40)  # takes no room on the disk
    with pytest.raises(OSError, match=r"1099511627776 bytes"):
        read_text(path)
    with pytest.raises(OSError, match="more than the 5"):
        read_file(path, 5)
    with pytest.raises(InvalidDataset, match="1099511627776 bytes"):
        load_template(path)
    for load in (load_settings, load_header, lambda path: load_optim(path, torch.zeros(1, 768))):
        with pytest.raises(TIError):
            load(path)


def test_a_file_is_read_as_it_is(tmp_path: Path) -> None:
    path = tmp_path / "x.txt"
    path.write_bytes(b"\xef\xbb\xbfa\r\n\xc3\xbc")
    assert read_text(path) == "a\r\nü"
    with open_file(path) as file:
        assert file.read(1) == b"\xef"
    for missing in (tmp_path / "gone", tmp_path):
        with pytest.raises(OSError):  # noqa: PT011 - the system's own words
            open_file(missing)


def test_json_is_plain_json() -> None:
    assert read_json('{"a": [NaN, Infinity, -Infinity, 1e999, 1.5]}') == {"a": [None, None, None, None, 1.5]}
    assert read_json("[" * 60 + "]" * 60)
    for deep in ("[" * 70 + "]" * 70, '{"a":' * 700 + "1" + "}" * 700, "[" * 10**6, '{"a":' * 10**5):
        with pytest.raises(ValueError, match=r"nested|Expecting"):
            read_json(deep)


def test_a_number_as_long_as_a_book_is_told() -> None:
    """Python before 3.10.7 takes minutes for it; others take 4,300 digits."""
    for text in ("9" * 4000, f'{{"a": [{"1" * 200}]}}'):
        with pytest.raises(ValueError, match="digits"):
            read_json(text)
    assert read_json(str(2**64)) == 2**64


def test_no_strangers_file_is_opened_in_another_way() -> None:
    """Or the next reader waits for a pipe again."""
    known = {
        "reading.py": "itself",
        "atomic.py": "writes",
        "training/lock.py": "never waits: opened to read and write",
        "training/log.py": "writes; reads by read_file",
        "cli/ui.py": "a password may well come out of a pipe",
        "ui/serve.py": "our own page",
        "dataset/prepare.py": "pictures that were decoded just before",
        "formats/png.py": "bytes that are in memory",
        "adapters/standalone/tokenizer.py": "a library's own file",
        "adapters/standalone/detection.py": "our own file",
        "adapters/standalone/checkpoint.py": "what open_source has looked at",
        "adapters/webui/txt2img.py": "the host's own file",
    }
    reads = re.compile(r"\.read_(text|bytes)\(|\.open\(\"|(?<![\w.])(?<!def )open\(|Image\.open\((?!file|opened)")
    package = Path(reading.__file__).parent
    found = {
        path.relative_to(package).as_posix()
        for path in package.rglob("*.py")
        if "recipe" not in path.parts and reads.search(path.read_text(encoding="utf-8"))
    }
    assert found - known.keys() == set()


def test_millions_of_empty_lists_are_counted_before_they_are_made() -> None:
    """A header of 8 MiB took seconds and hundreds of megabytes to be refused."""
    with pytest.raises(ValueError, match="more than 200000"):
        read_json("[" + "[[[0]]]," * 10**6 + "0]")
    assert len(read_json("[" + "{}," * 10**5 + "0]")) == 10**5 + 1
