"""Checkpoints come from strangers: a broken or hostile one must end in a sentence, never in running code."""

import json
import os
import pickle
import struct
from contextlib import suppress
from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import save_file

from lib_ti.adapters.standalone.checkpoint import load_header, load_tensor, load_weights, short_hash
from lib_ti.adapters.standalone.detection import _own_networks
from lib_ti.errors import UnsupportedModel

WEIGHTS = {"a.weight": torch.arange(6.0).reshape(2, 3), "b": torch.ones(4, dtype=torch.float16)}


def test_the_header_is_read_without_torch_and_agrees_with_the_weights(tmp_path: Path) -> None:
    path = tmp_path / "m.safetensors"
    save_file(WEIGHTS, path, metadata={"note": "x"})
    header = load_header(path)
    assert header.shapes == {"a.weight": (2, 3), "b": (4,)}
    assert header.metadata == {"note": "x"}
    assert torch.equal(load_weights(path)["a.weight"], WEIGHTS["a.weight"])
    assert torch.equal(load_tensor(path, "b"), WEIGHTS["b"])


@pytest.mark.parametrize("zipped", [True, False])
@pytest.mark.parametrize("wrapped", [True, False])
def test_ckpt_files_are_read(tmp_path: Path, zipped: bool, wrapped: bool) -> None:
    path = tmp_path / "m.ckpt"
    content = {"state_dict": WEIGHTS, "global_step": 3} if wrapped else WEIGHTS
    torch.save(content, path, _use_new_zipfile_serialization=zipped)
    assert load_header(path).shapes == {"a.weight": (2, 3), "b": (4,)}
    assert torch.equal(load_weights(path)["a.weight"], WEIGHTS["a.weight"])


class _Evil:
    def __init__(self, target: Path) -> None:
        self.target = target

    def __reduce__(self):  # type: ignore[no-untyped-def]
        return os.mkdir, (str(self.target),)


@pytest.mark.parametrize("plain", [True, False])
def test_a_ckpt_that_runs_code_is_refused(tmp_path: Path, plain: bool) -> None:
    path, target = tmp_path / "evil.ckpt", tmp_path / "ran"
    content = {"state_dict": WEIGHTS, "x": _Evil(target)}
    if plain:
        path.write_bytes(pickle.dumps(_Evil(target)))
    else:
        torch.save(content, path)
    with pytest.raises(UnsupportedModel, match="not opened") as error:
        load_header(path)
    assert "safetensors" in error.value.hint
    assert not target.exists()


@pytest.mark.parametrize(
    "content",
    [b"", b"\x00" * 7, struct.pack("<Q", 10**12), struct.pack("<Q", 4) + b"[1]x", struct.pack("<Q", 2) + b"[]",
     struct.pack("<Q", 9) + b'{"a": 12}', struct.pack("<Q", 500) + b"{}", b"<html>not found</html>"],
)  # fmt: skip
def test_broken_safetensors_are_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "m.safetensors"
    path.write_bytes(content)
    with pytest.raises(UnsupportedModel, match=r"m\.safetensors"):
        load_header(path)


@settings(max_examples=60)
@given(st.binary(max_size=200))
def test_any_bytes_give_a_header_or_a_sentence(tmp_path_factory: pytest.TempPathFactory, content: bytes) -> None:
    folder = tmp_path_factory.getbasetemp()
    for name, data in (("x.safetensors", struct.pack("<Q", len(content)) + content), ("x.ckpt", content)):
        path = folder / name
        path.write_bytes(data)
        with suppress(UnsupportedModel):
            load_header(path)


def test_a_cut_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "m.safetensors"
    save_file(WEIGHTS, path)
    path.write_bytes(path.read_bytes()[:-4])
    with pytest.raises(UnsupportedModel, match="not a whole"):
        load_weights(path)


def test_other_endings_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "m.gguf"
    path.write_bytes(json.dumps({}).encode())
    with pytest.raises(UnsupportedModel, match=r"m\.gguf"):
        load_header(path)


def test_the_hash_is_the_one_that_webuis_show_and_follows_the_file(tmp_path: Path) -> None:
    path = tmp_path / "m.safetensors"
    path.write_bytes(b"abc")
    assert short_hash(path) == "ba7816bf8f"
    path.write_bytes(b"abcd")
    os.utime(path, ns=(1, 1))
    assert short_hash(path) == "88d4266fd4"


@pytest.mark.parametrize("dtype", ["F4", "F6_E2M3", "F8_E8M0FNU", "Q4_K"])
def test_weights_of_a_type_that_cannot_be_loaded_are_a_sentence(tmp_path: Path, dtype: str) -> None:
    header = b'{"w":{"dtype":"%s","shape":[2,4],"data_offsets":[0,4]}}' % dtype.encode()
    path = tmp_path / "m.safetensors"
    path.write_bytes(len(header).to_bytes(8, "little") + header + bytes(4))
    with suppress(UnsupportedModel):
        load_header(path)
    for load in (load_weights, lambda path: load_tensor(path, "w")):
        with suppress(UnsupportedModel):
            assert load(path) is not None


@pytest.mark.parametrize("levels", [700, 100_000])
def test_a_header_that_is_nested_without_end_is_told(tmp_path: Path, levels: int) -> None:
    text = b'{"a":' * levels + b"1" + b"}" * levels
    path = tmp_path / "m.safetensors"
    path.write_bytes(len(text).to_bytes(8, "little") + text)
    with pytest.raises(UnsupportedModel, match="whole"):
        load_header(path)
    with pytest.raises(UnsupportedModel, match="JSON"):
        _own_networks({"ti_lab.config": text.decode()})
