"""The two containers in which torch has put a pickle and the numbers of its tensors: a zip, and before torch 1.6 a stream."""

import re
import struct
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from io import BytesIO
from typing import Any

from lib_ti.embedding.limits import MAX_ZIP_MEMBERS
from lib_ti.embedding.pickle_program import run_pickle
from lib_ti.errors import InvalidEmbedding

_LEGACY_MAGIC = 0x1950A86A20F9469CFC6C
_ZIP_ENTRY = b"PK\x01\x02"
_DATA = re.compile(r"([^/]+)/data\.pkl")


def is_torch_file(start: bytes) -> bool:
    """`start`: the first bytes of a file. A zip, or a pickle of protocol 2 as torch wrote before 1.6."""
    return start.startswith((b"PK\x03\x04", b"\x80\x02"))


def read_torch_file(data: bytes) -> Any:
    """The saved value: dicts, lists, tuples, numbers, text and `StoredTensor`. Raises InvalidEmbedding."""
    with _damage_told():
        return _read_zip(data) if data.startswith(b"PK") else _read_legacy(data)


@contextmanager
def _damage_told() -> Iterator[None]:
    """What a damaged pickle or zip makes of plain operations becomes InvalidEmbedding."""
    try:
        yield
    except (
        *(ValueError, KeyError, IndexError, TypeError, AttributeError, OverflowError),
        *(zipfile.BadZipFile, struct.error, NotImplementedError, EOFError),
    ) as error:
        raise InvalidEmbedding(f"This file is damaged ({str(error)[:200]}).", "Fetch or save it anew.") from error


def _read_zip(data: bytes) -> Any:
    if data.count(_ZIP_ENTRY) > MAX_ZIP_MEMBERS:
        raise InvalidEmbedding("This zip archive has far too many parts for an embedding.", "Is it a checkpoint?")
    archive = zipfile.ZipFile(BytesIO(data))
    members = {member.filename: member for member in archive.infolist()}
    roots = [match[1] for name in members if (match := _DATA.fullmatch(name))]
    if len(roots) != 1:
        raise InvalidEmbedding("This zip archive is not a file that torch wrote.", "Unpack it first.")

    @_damage_told()  # a tensor's numbers are read only when it is loaded
    def read(name: str) -> bytes:
        member = members[f"{roots[0]}/{name}"]
        # Torch never compresses; so nothing here can be larger than the file itself.
        if member.compress_type != zipfile.ZIP_STORED or member.flag_bits & 1 or member.file_size > len(data):
            raise InvalidEmbedding(f"Its part {name} is compressed or encrypted, which torch does not do.")
        return archive.read(member)

    if f"{roots[0]}/byteorder" in members and read("byteorder") != b"little":
        raise InvalidEmbedding("It was saved on a big-endian machine.", "Save it as .safetensors there.")
    return run_pickle(BytesIO(read("data.pkl")), lambda key: read(f"data/{key}"))


def _read_legacy(data: bytes) -> Any:
    stream = BytesIO(data)
    places: dict[str, tuple[int, int]] = {}

    def nothing(key: str) -> bytes:
        raise ValueError("a tensor where none belongs")

    if run_pickle(stream, nothing) != _LEGACY_MAGIC:
        raise InvalidEmbedding("This pickle was not written by torch.", "Only embeddings that torch saved are read.")
    run_pickle(stream, nothing)  # the protocol
    system = run_pickle(stream, nothing)
    if not system["little_endian"]:
        raise InvalidEmbedding("It was saved on a big-endian machine.", "Save it as .safetensors there.")

    @_damage_told()
    def read(key: str) -> bytes:
        return data[slice(*places[key])]

    sizes: dict[str, int] = {}
    value = run_pickle(stream, read, sizes)
    for key in run_pickle(stream, nothing):
        if not isinstance(key, str):
            raise ValueError("a tensor without a name")
        start = stream.tell() + 8
        stop = start + int.from_bytes(stream.read(8), "little") * sizes[key]
        if stop > len(data):
            raise ValueError("it ends too early")
        places[key] = (start, stop)
        stream.seek(stop)
    return value
