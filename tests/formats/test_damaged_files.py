"""Whatever happened to a file on its way, a user gets a sentence: never a traceback, a hang or a full memory."""

import base64
import io
import json
import tempfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image
from PIL.PngImagePlugin import PngInfo
from safetensors.torch import save as safetensors_bytes

from lib_ti.embedding.embedding import Embedding
from lib_ti.errors import InvalidEmbedding
from lib_ti.formats.files import load_bundle, load_embedding, load_header
from lib_ti.formats.png import CHUNK, METADATA_CHUNK, write_columns, write_preview_png
from lib_ti.formats.writing import write_diffusers_bin, write_pt, write_safetensors
from tests.embeddings import vectors
from tests.formats.layout_files import parameter_dict

ONE = Embedding("cat", {"clip_l": vectors(2, 24)}, step=3, family="sd1", recipe={"init": "cat"})
TWO = Embedding("cat", {"clip_l": vectors(2, 24), "clip_g": vectors(2, 20)}, family="sdxl")
PHOTO = Image.new("RGB", (24, 24), (90, 120, 200))


def torch_bytes(value: object, new: bool = True) -> bytes:
    file = io.BytesIO()
    torch.save(value, file, _use_new_zipfile_serialization=new)
    return file.getvalue()


def picture(form: str, **options: object) -> bytes:
    """Without text chunks: only the pixels carry the embedding."""
    with Image.open(io.BytesIO(write_preview_png(PHOTO, ONE))) as image:
        file = io.BytesIO()
        Image.frombytes("RGB", image.size, image.tobytes()).save(file, form, **options)
    return file.getvalue()


def pickle_of(file: bytes) -> bytes:
    with zipfile.ZipFile(io.BytesIO(file)) as archive:
        return archive.read("archive/data.pkl")


def around_pickle(file: bytes) -> Callable[[bytes], bytes]:
    """Puts another pickle into a torch file, with checksums that agree."""

    def wrap(pickled: bytes) -> bytes:
        changed = io.BytesIO()
        with zipfile.ZipFile(io.BytesIO(file)) as source, zipfile.ZipFile(changed, "w") as target:
            for name in source.namelist():
                target.writestr(name, pickled if name == "archive/data.pkl" else source.read(name))
        return changed.getvalue()

    return wrap


def in_chunk(payload: bytes) -> bytes:
    return png_with({CHUNK: base64.b64encode(payload).decode()})


def in_metadata(text: bytes) -> bytes:
    return png_with({CHUNK: base64.b64encode(JSON).decode(), METADATA_CHUNK: text.decode("latin-1")})


def png_with(texts: dict[str, str]) -> bytes:
    chunks, file = PngInfo(), io.BytesIO()
    for key, value in texts.items():
        chunks.add_itxt(key, value)
    PHOTO.save(file, "PNG", pnginfo=chunks)
    return file.getvalue()


def in_columns(payload: bytes) -> bytes:
    file = io.BytesIO()
    write_columns(PHOTO, payload, [[1.0]]).save(file, "PNG")
    return file.getvalue()


def as_header(text: bytes) -> bytes:
    return len(text).to_bytes(8, "little") + text + bytes(2 * 24 * 4)


def bundle() -> bytes:
    tensors = {
        "bundle_emb.a.clip_l": vectors(2, 24),
        "bundle_emb.b.string_to_param.*": vectors(1, 24),
        "x": vectors(9, 9),
    }
    return safetensors_bytes(tensors)


PT, SAFE = write_pt(ONE), write_safetensors(ONE)
OLD = torch_bytes(parameter_dict())
JSON = json.dumps(
    {
        "string_to_token": {"*": 265},
        "string_to_param": {"*": {"TORCHTENSOR": [[0.5, -1e-3], [2, 0.25]]}},
        "name": "a",
        "step": 1,
    }
).encode()


def same(data: bytes) -> bytes:
    return data


# kind: (what is damaged, how it becomes a file again)
KINDS: dict[str, tuple[bytes, Callable[[bytes], bytes]]] = {
    "safetensors": (SAFE, same),
    "safetensors header": (SAFE[8 : -2 * 24 * 4], as_header),
    "safetensors SDXL": (write_safetensors(TWO), same),
    "LoRA bundle": (bundle(), same),
    "A1111 pt": (PT, same),
    "A1111 pt, its pickle": (pickle_of(PT), around_pickle(PT)),
    "ParameterDict, its pickle": (pickle_of(OLD), around_pickle(OLD)),
    "legacy pickle": (torch_bytes({"string_to_param": {"*": vectors(2, 24)}}, new=False), same),
    "diffusers bin": (write_diffusers_bin(ONE), same),
    "PNG": (write_preview_png(PHOTO, ONE), same),
    "PNG, its text": (JSON, in_chunk),
    "PNG, its pixels": (JSON, in_columns),
    "PNG, our facts": (
        json.dumps({"ti_lab.format": "1", "encoders": '{"clip_l": 2}', "step": "1"}).encode(),
        in_metadata,
    ),
    "WEBP": (picture("WEBP", lossless=True), same),
}


@st.composite
def damage(draw: st.DrawFn, data: bytes) -> bytes:
    """Bytes changed, cut out, doubled, put in, or the end cut off; mostly near the start, where formats keep their sense."""
    for _ in range(draw(st.integers(1, 4))):
        place = draw(st.integers(0, max(0, len(data) - 1)) | st.integers(0, min(400, max(0, len(data) - 1))))
        length = draw(st.sampled_from([0, 1, 1, 2, 4, 8, 40]))
        new = draw(
            st.binary(max_size=8)
            | st.sampled_from(
                [b"\xff" * 4, b"\xff" * 8, b"\x00" * 8, b"\x7f", b"[" * 3000, b'{"' * 9, b"-1", b"NaN", b"1e999"]
            )
            | st.just(data[place : place + length] * 2)
        )
        data = data[:place] + new + data[place + length :]
    return data[: draw(st.integers(0, len(data)))] if draw(st.integers(0, 9)) == 0 else data


def refusal_of(load: Callable[[Path], object], path: Path) -> InvalidEmbedding | None:
    try:
        load(path)
    except InvalidEmbedding as error:
        return error
    return None


def is_read_or_refused(kind: str, examples: int) -> None:
    source, wrap = KINDS[kind]
    loads = (load_header, load_bundle if "bundle" in kind else load_embedding)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "x.pt")
        path.write_bytes(wrap(source))
        loads[1](path)  # undamaged it reads, else this would prove nothing

        @settings(max_examples=examples, deadline=2000, database=None, suppress_health_check=list(HealthCheck))
        @given(damaged=damage(source))
        def each(damaged: bytes) -> None:
            path.write_bytes(wrap(damaged))
            for load in loads:
                refusal = refusal_of(load, path)
                assert refusal is None or (refusal.where == str(path) and len(str(refusal)) < 2000)

        before = peak_memory()
        each()
        assert peak_memory() - before < 400 * 2**20


def peak_memory() -> int:
    """Bytes; 0 where the system does not tell (Windows)."""
    try:
        import resource
    except ImportError:
        return 0
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


@pytest.mark.parametrize("kind", KINDS)
def test_a_damaged_file_is_read_or_refused(kind: str) -> None:
    is_read_or_refused(kind, 200)


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_thousands_of_damaged_files_are_read_or_refused(kind: str) -> None:
    is_read_or_refused(kind, 5000)
