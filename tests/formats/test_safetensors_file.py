"""A user would lose every embedding of the folder, and each command with them, by one file of a kind that nobody has foreseen."""

import json
import math
import tempfile
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from safetensors.torch import save_file

from lib_ti.adapters.standalone.session import EmbeddingFolder
from lib_ti.embedding.embedding import Embedding
from lib_ti.errors import InvalidEmbedding
from lib_ti.formats.files import load_bundle, load_embedding, load_header, save_embedding
from lib_ti.host import EncoderInfo, ModelInfo
from lib_ti.library.conversion import convert_files
from lib_ti.library.listing import FolderEmbeddings, list_library
from tests.embeddings import vectors

BITS = {
    "F64": 64,
    "F32": 32,
    "F16": 16,
    "BF16": 16,
    "F8_E4M3": 8,
    "F8_E5M2": 8,
    "F8_E8M0": 8,
    "F8_E4M3FNUZ": 8,
    "F8_E5M2FNUZ": 8,
    "F6_E2M3": 6,
    "F6_E3M2": 6,
    "F4": 4,
    "C64": 64,
    "I64": 64,
    "I32": 32,
    "I16": 16,
    "I8": 8,
    "U64": 64,
    "U32": 32,
    "U16": 16,
    "U8": 8,
    "BOOL": 8,
}
"""All that safetensors has, and the bits of one number."""
READ = {"F64", "F32", "F16", "BF16", "F8_E4M3", "F8_E5M2"}
SD1 = ModelInfo("m", "0123456789", "sd1", (EncoderInfo("clip_l", 768, 49407),), "epsilon", 512)


def file_of(header: Any, data: bytes = b"") -> bytes:
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return len(text).to_bytes(8, "little") + text + data


def embedding_of(dtype: str, rows: int = 2, width: int = 768) -> bytes:
    size = rows * width * BITS.get(dtype, 8) // 8
    return file_of({"emb_params": {"dtype": dtype, "shape": [rows, width], "data_offsets": [0, size]}}, bytes(size))


def written(dtype: str, tensor: torch.Tensor) -> bytes:
    data = tensor.contiguous().view(torch.uint8).numpy().tobytes()
    header = {"emb_params": {"dtype": dtype, "shape": list(tensor.shape), "data_offsets": [0, len(data)]}}
    return file_of(header, data)


@pytest.mark.parametrize("dtype", [*BITS, "Q4_K", "f32", ""])
def test_a_file_of_any_type_of_numbers_is_read_or_told_and_the_others_work(tmp_path: Path, dtype: str) -> None:
    (tmp_path / "odd.safetensors").write_bytes(embedding_of(dtype))
    save_embedding(Embedding("good", {"clip_l": vectors(1, 768)}, family="sd1"), tmp_path / "good.safetensors")
    listed = {entry.name: entry.fault for entry in list_library(tmp_path)}
    assert listed["good"] == ""
    assert bool(listed["odd"]) == (dtype not in READ)
    assert set(EmbeddingFolder(tmp_path, tmp_path / "logs").fitting(SD1)) == {"good", "odd"} - (
        {"odd"} if listed["odd"] else set()
    )
    assert "good" in FolderEmbeddings(list_library(tmp_path), SD1)
    done = convert_files([tmp_path], "pt", tmp_path / "out")
    assert (len(done.written), len(done.faults)) == ((2, 0) if dtype in READ else (1, 1))
    if dtype in READ:
        assert torch.equal(load_embedding(tmp_path / "odd.safetensors").vectors["clip_l"], torch.zeros(2, 768))
    else:
        with pytest.raises(InvalidEmbedding, match=repr(dtype) if dtype else "''"):
            load_embedding(tmp_path / "odd.safetensors")


def test_nothing_of_a_number_is_lost_in_silence(tmp_path: Path) -> None:
    """Of complex numbers the imaginary half was; whole numbers and truths are no directions."""
    for kind, tensor in {
        "C64": torch.full((2, 768), 1 + 2j, dtype=torch.complex64),
        "I8": torch.ones(2, 768, dtype=torch.int8),
        "BOOL": torch.ones(2, 768, dtype=torch.bool),
    }.items():
        (tmp_path / "x.safetensors").write_bytes(written(kind, tensor))
        with pytest.raises(InvalidEmbedding, match=r"x\.safetensors.*numbers of the type"):
            load_header(tmp_path / "x.safetensors")
        torch.save({"string_to_param": {"*": tensor}}, tmp_path / f"{kind}.pt")
        with pytest.raises(InvalidEmbedding, match="numbers of the type"):
            load_header(tmp_path / f"{kind}.pt")


@pytest.mark.parametrize(
    ("name", "dtype"),
    {
        "F8_E4M3": torch.float8_e4m3fn,
        "F8_E5M2": torch.float8_e5m2,
        "F16": torch.float16,
        "BF16": torch.bfloat16,
        "F32": torch.float32,
        "F64": torch.float64,
    }.items(),
)
def test_numbers_of_every_kind_that_is_read_come_as_they_are(tmp_path: Path, name: str, dtype: torch.dtype) -> None:
    tensor = (vectors(3, 768) * 10).to(dtype)
    (tmp_path / "x.safetensors").write_bytes(written(name, tensor))
    assert torch.equal(load_embedding(tmp_path / "x.safetensors").vectors["clip_l"], tensor.float())


def test_a_tensor_of_another_kind_beside_the_vectors_does_not_hide_them(tmp_path: Path) -> None:
    """A LoRA in four bits with an embedding in it."""
    tensors = {
        "bundle_emb.cat.emb_params": {"dtype": "F32", "shape": [1, 768], "data_offsets": [0, 3072]},
        "lora_unet_x.lora_down.weight": {"dtype": "F4", "shape": [4, 4], "data_offsets": [3072, 3080]},
    }
    (tmp_path / "lora.safetensors").write_bytes(file_of(tensors, bytes(3080)))
    assert [one.rows for one in load_bundle(tmp_path / "lora.safetensors")] == [1]


def test_thousands_of_rows_are_counted_before_one_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It took 40 seconds to refuse them."""
    tensors = {"cat" if n == 0 else f"cat_{n}": torch.zeros(768) for n in range(4000)}
    save_file(tensors, tmp_path / "x.safetensors")
    torch.save({name: one[:4].clone() for name, one in list(tensors.items())[:900]}, tmp_path / "x.pt")
    reads: list[object] = []
    monkeypatch.setattr(torch, "frombuffer", lambda *args, **more: reads.append(args))
    for load in (load_header, load_embedding):
        began = time.monotonic()
        with pytest.raises(InvalidEmbedding, match="4000 vectors"):
            load(tmp_path / "x.safetensors")
        assert time.monotonic() - began < 20
    assert not reads


SPOILED: dict[str, tuple[Any, int]] = {
    "a list": ([], 0),
    "no table": ({"a": 1}, 0),
    "no dtype": ({"a": {"shape": [1, 4], "data_offsets": [0, 16]}}, 16),
    "a shape of text": ({"a": {"dtype": "F32", "shape": "14", "data_offsets": [0, 16]}}, 16),
    "a shape of halves": ({"a": {"dtype": "F32", "shape": [0.5, 8], "data_offsets": [0, 16]}}, 16),
    "a shape below nothing": ({"a": {"dtype": "F32", "shape": [-1, -4], "data_offsets": [0, 16]}}, 16),
    "a shape of truths": ({"a": {"dtype": "F32", "shape": [True, 4], "data_offsets": [0, 16]}}, 16),
    "one offset": ({"a": {"dtype": "F32", "shape": [1, 4], "data_offsets": [0]}}, 16),
    "offsets backwards": ({"a": {"dtype": "F32", "shape": [1, 4], "data_offsets": [16, 0]}}, 16),
    "offsets before the start": ({"a": {"dtype": "F32", "shape": [1, 4], "data_offsets": [-16, 0]}}, 16),
    "another size than the shape's": ({"a": {"dtype": "F32", "shape": [1, 4], "data_offsets": [0, 12]}}, 12),
    "an end that is cut off": ({"a": {"dtype": "F32", "shape": [1, 4], "data_offsets": [0, 16]}}, 15),
    "more than it tells of": ({"a": {"dtype": "F32", "shape": [1, 4], "data_offsets": [0, 16]}}, 17),
    "a hole": ({"a": {"dtype": "F32", "shape": [1, 4], "data_offsets": [4, 20]}}, 20),
    "two in one place": ({n: {"dtype": "F32", "shape": [1, 4], "data_offsets": [0, 16]} for n in "ab"}, 16),
    "a shape as large as the world": ({"a": {"dtype": "F32", "shape": [2**62, 4], "data_offsets": [0, 16]}}, 16),
    "numbers without end": (
        {"a": {"dtype": "F4", "shape": [2**40, 2**40], "data_offsets": [0, 16]}},
        16,
    ),
    "metadata that is no text": ({"__metadata__": {"a": 1}}, 0),
    "metadata that is no table": ({"__metadata__": []}, 0),
    "deeper than anybody writes": (b"{" + b'"a":{' * 5000 + b"}" * 5001, 0),
    "no JSON": (b"{]", 0),
    "no text": (b"{\xff\xfe", 0),
    "cut off in the header": (b'{"a"', 0),
}


@pytest.mark.parametrize("what", SPOILED)
def test_a_spoiled_header_is_told(tmp_path: Path, what: str) -> None:
    header, size = SPOILED[what]
    path = tmp_path / "x.safetensors"
    path.write_bytes(file_of(header, bytes(size)))
    for load in (load_header, load_embedding):
        with pytest.raises(InvalidEmbedding) as caught:
            load(path)
        assert caught.value.where == str(path)


def test_a_file_that_is_cut_between_its_header_and_its_numbers_is_told(tmp_path: Path) -> None:
    from lib_ti.formats.safetensors_file import read_safetensors

    path = tmp_path / "x.safetensors"
    save_file({"emb_params": torch.zeros(2, 768)}, path)
    stored, _ = read_safetensors(path)
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(InvalidEmbedding, match="shorter"):
        stored["emb_params"].load()


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**70), 2**70) | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)
SIDES = st.lists(st.integers(0, 5) | st.sampled_from([768, 1280, 2**31, 2**63]) | JSON, max_size=4)
KEYS = st.sampled_from(
    [
        "emb_params",
        "clip_l",
        "clip_g",
        "clip_l_out",
        "emp_params",
        "t5",
        "cat",
        "cat_1",
        "bundle_emb.a.clip_l",
        "bundle_emb.a.string_to_param.*",
        "string_to_param",
        "__metadata__",
        "x.lora_up.weight",
        "MID",
        "IN01",
    ]
)


@st.composite
def headers(draw: st.DrawFn) -> tuple[dict[str, Any], int]:
    """Tensors one after the other, mostly as they should be: what is wrong is seldom and anywhere."""
    header: dict[str, Any] = {}
    place = 0
    for key in draw(st.lists(KEYS | st.text(max_size=5), max_size=5, unique=True)):
        dtype, shape = draw(st.sampled_from(list(BITS))), draw(st.lists(st.integers(0, 4), max_size=3))
        size = math.prod(shape) * BITS[dtype] // 8
        tensor = {"dtype": dtype, "shape": shape, "data_offsets": [place, place + size]}
        if draw(st.integers(0, 3)) == 0:
            tensor[draw(st.sampled_from(list(tensor)))] = draw(SIDES | JSON)
        header[key] = draw(JSON) if draw(st.integers(0, 9)) == 0 else tensor
        place += size
    if draw(st.booleans()):
        facts = {"ti_lab.format": "1", "name": draw(st.text(max_size=9)), "recipe": json.dumps(draw(JSON))}
        header["__metadata__"] = facts | {"encoders": json.dumps(draw(JSON)), "step": draw(st.text(max_size=3))}
    return header, place


@settings(max_examples=300, database=None, suppress_health_check=list(HealthCheck))
@given(built=headers(), more=st.integers(-3, 3))
def test_any_header_is_read_or_told(built: tuple[dict[str, Any], int], more: int) -> None:
    header, size = built
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "x.safetensors")
        path.write_bytes(file_of(header, bytes(max(0, size + (more if abs(more) == 3 else 0)))))
        for load in (load_header, load_embedding, load_bundle):
            with suppress(InvalidEmbedding):
                load(path)
