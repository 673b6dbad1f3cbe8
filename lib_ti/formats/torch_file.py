"""What `torch.save` wrote, read without running any of it.

Torch has put a pickle and the numbers of its tensors into two containers: a zip, and before torch 1.6 a stream.

A pickle is a program: it may name any function of Python and have it called. Here its instructions are only read, by the
standard library's disassembler, and the dozen that `torch.save` needs for plain values and tensors are carried out on
plain values. A function that the file names is never looked up; it is a pair of words, compared with the few that stand
for a tensor or a dict, and refused by name otherwise. `torch.load` is not used: WebUIs replace it (Forge renames the files
that it cannot read), and its own safe mode could be escaped in every torch before 2.6.
"""

from __future__ import annotations

import math
import pickletools
import re
import struct
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from io import BytesIO
from typing import TYPE_CHECKING, Any, BinaryIO

from lib_ti.embedding.limits import MAX_PICKLE_STEPS, MAX_ROWS, MAX_WIDTH, MAX_ZIP_MEMBERS
from lib_ti.errors import InvalidEmbedding
from lib_ti.formats.stored import StoredTensor

if TYPE_CHECKING:
    import torch

_LEGACY_MAGIC = 0x1950A86A20F9469CFC6C
_LONGEST_LINE = 1000
_ZIP_ENTRY = b"PK\x01\x02"
_DATA = re.compile(r"([^/]+)/data\.pkl")


def is_torch_file(start: bytes) -> bool:
    """`start`: the first bytes of a file. A zip, or a pickle of protocol 2 as torch wrote before 1.6."""
    return start.startswith((b"PK\x03\x04", b"\x80\x02"))


def read_torch_file(data: bytes) -> Any:
    """The saved value: dicts, lists, tuples, numbers, text and `StoredTensor`. Raises InvalidEmbedding."""
    with _damage_reported():
        return _read_zip(data) if data.startswith(b"PK") else _read_legacy(data)


@contextmanager
def _damage_reported() -> Iterator[None]:
    """What a damaged pickle or zip makes of plain operations becomes InvalidEmbedding."""
    try:
        yield
    except (
        *(ValueError, KeyError, IndexError, TypeError, AttributeError, OverflowError),
        *(zipfile.BadZipFile, struct.error, NotImplementedError, EOFError),
    ) as error:
        raise InvalidEmbedding(f"This file is damaged ({str(error)[:200]}).", "Fetch or save it anew.") from error


class _Lines(BytesIO):
    """Python before 3.10.7 reads a number of a million digits for minutes, and a pickle may hold one as a line."""

    def readline(self, size: int | None = -1, /) -> bytes:
        return super().readline(_LONGEST_LINE)


def _read_zip(data: bytes) -> Any:
    if data.count(_ZIP_ENTRY) > MAX_ZIP_MEMBERS:
        raise InvalidEmbedding("This zip archive has far too many parts for an embedding.", "Is it a checkpoint?")
    archive = zipfile.ZipFile(BytesIO(data))
    members = {member.filename: member for member in archive.infolist()}
    roots = [match[1] for name in members if (match := _DATA.fullmatch(name))]
    if len(roots) != 1:
        raise InvalidEmbedding("This zip archive is not a file that torch wrote.", "Unpack it first.")

    if sum(member.file_size for member in members.values()) > len(data):
        raise InvalidEmbedding("Parts of this zip archive lie over each other, or are compressed.", "Save it anew.")

    @_damage_reported()  # a tensor's numbers are read only when it is loaded
    @cache  # rows may be views of one storage
    def read(name: str) -> bytes:
        member = members[f"{roots[0]}/{name}"]
        # Torch never compresses; so nothing here can be larger than the file itself.
        if member.compress_type != zipfile.ZIP_STORED or member.flag_bits & 1 or member.file_size > len(data):
            raise InvalidEmbedding(f"Its part {name} is compressed or encrypted, which torch does not do.")
        return archive.read(member)

    if f"{roots[0]}/byteorder" in members and read("byteorder") != b"little":
        raise InvalidEmbedding("It was saved on a big-endian machine.", "Save it as .safetensors there.")
    return run_pickle(_Lines(read("data.pkl")), lambda key: read(f"data/{key}"))


def _read_legacy(data: bytes) -> Any:
    stream = _Lines(data)
    places: dict[str, tuple[int, int]] = {}

    def nothing(key: str) -> bytes:
        raise ValueError("a tensor where none belongs")

    if run_pickle(stream, nothing) != _LEGACY_MAGIC:
        raise InvalidEmbedding("This pickle was not written by torch.", "Only embeddings that torch saved are read.")
    run_pickle(stream, nothing)  # the protocol
    system = run_pickle(stream, nothing)
    if not system["little_endian"]:
        raise InvalidEmbedding("It was saved on a big-endian machine.", "Save it as .safetensors there.")

    @_damage_reported()
    def read(key: str) -> memoryview:
        return memoryview(data)[slice(*places[key])]

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


# Torch's names of number types, with the bytes one number takes.
_STORAGES = {
    "FloatStorage": ("float32", 4),
    "HalfStorage": ("float16", 2),
    "BFloat16Storage": ("bfloat16", 2),
    "DoubleStorage": ("float64", 8),
    "LongStorage": ("int64", 8),
    "IntStorage": ("int32", 4),
}


@dataclass(frozen=True)
class Name:
    """A function or class that a pickle names. It stays a name."""

    module: str
    name: str

    def __str__(self) -> str:
        return f"{self.module}.{self.name}"


@dataclass(frozen=True)
class Storage:
    dtype: str
    item_bytes: int
    read: Callable[[], bytes | memoryview]


class _Parameters(dict[str, Any]):
    """What becomes of a torch ParameterDict, which only holds parameters by name."""


_MARK = object()
_CONSTANTS: dict[str, Any] = {"NONE": None, "NEWTRUE": True, "NEWFALSE": False, "EMPTY_TUPLE": (), "MARK": _MARK}
_WITH_VALUE = {"BININT", "BININT1", "BININT2", "LONG1", "BINFLOAT", "BINUNICODE", "SHORT_BINUNICODE"}
_TUPLE_SIZES = {"TUPLE1": 1, "TUPLE2": 2, "TUPLE3": 3}


def run_pickle(stream: BinaryIO, read: Callable[[str], bytes | memoryview], sizes: dict[str, int] | None = None) -> Any:
    """Carry out one pickle. `read` gives the bytes of a storage by key; `sizes` collects the bytes of a number by key."""
    stack: list[Any] = []
    memo: dict[Any, Any] = {}
    for step, (opcode, argument, _) in enumerate(pickletools.genops(stream)):
        name = opcode.name
        if step > MAX_PICKLE_STEPS:
            raise InvalidEmbedding("Its list of contents is far too long for an embedding.", "Is it a checkpoint?")
        if name in _WITH_VALUE:
            stack.append(argument)
        elif name in _CONSTANTS:
            stack.append(_CONSTANTS[name])
        elif name == "EMPTY_DICT":
            stack.append({})
        elif name == "EMPTY_LIST":
            stack.append([])
        elif name in _TUPLE_SIZES:
            stack[-_TUPLE_SIZES[name] :] = [tuple(stack[-_TUPLE_SIZES[name] :])]
        elif name == "TUPLE":
            stack.append(tuple(_pop_marked(stack)))
        elif name in ("APPEND", "APPENDS"):
            values = _pop_marked(stack) if name == "APPENDS" else [stack.pop()]
            stack[-1].extend(values)
        elif name in ("SETITEM", "SETITEMS"):
            values = _pop_marked(stack) if name == "SETITEMS" else [stack.pop(-2), stack.pop()]
            _set_items(stack[-1], values)
        elif name in ("BINPUT", "LONG_BINPUT"):
            memo[argument] = stack[-1]
        elif name in ("BINGET", "LONG_BINGET"):
            stack.append(memo[argument])
        elif name == "GLOBAL":
            stack.append(Name(*str(argument).split(" ", 1)))
        elif name == "BINPERSID":
            stack.append(_persistent(stack.pop(), read, {} if sizes is None else sizes))
        elif name in ("REDUCE", "NEWOBJ"):
            arguments = stack.pop()
            stack.append(_stand_in(stack.pop(), arguments))
        elif name == "BUILD":
            _build(stack, stack.pop())
        elif name == "STOP":
            return stack.pop()
        elif name != "PROTO":
            raise InvalidEmbedding(f"It uses the instruction {name}, which no embedding needs.", "It is not read.")
    raise ValueError("it has no end")


def _pop_marked(stack: list[Any]) -> list[Any]:
    start = len(stack) - 1
    while stack[start] is not _MARK:
        start -= 1  # an IndexError where there is none
    values = stack[start + 1 :]
    del stack[start:]
    return values


def _set_items(target: Any, values: list[Any]) -> None:
    for key, value in zip(values[::2], values[1::2], strict=True):
        if not isinstance(key, (str, int)):  # nested tuples can take for ever to hash
            raise TypeError("a key that is neither text nor a number")
        if not isinstance(target, dict):
            raise TypeError("an item for something that is no dict")
        target[key] = value


def _persistent(ident: Any, read: Callable[[str], bytes | memoryview], sizes: dict[str, int]) -> Storage | Name:
    """What torch keeps outside of the pickle: a tensor's numbers; in old files also a class, with its source."""
    if ident[0] == "module" and isinstance(ident[1], Name):
        return ident[1]
    kind, storage, key, _, _ = ident[:5]
    if kind != "storage" or not isinstance(key, str) or any(view is not None for view in ident[5:]):
        raise ValueError("a tensor's place that torch does not write")
    if not isinstance(storage, Name):
        raise ValueError("a tensor of no type")
    if storage.name not in _STORAGES:
        raise InvalidEmbedding(f"It holds numbers of the type {storage}, which embeddings do not have.")
    dtype, size = _STORAGES[storage.name]
    sizes[key] = size
    return Storage(dtype, size, lambda: read(key))


def _stand_in(function: Any, arguments: tuple[Any, ...]) -> Any:
    """What stands for the result of calling `function`, which is not called."""
    if not isinstance(function, Name):
        raise TypeError("a call of something that is no function")
    match str(function):
        case "torch._utils._rebuild_tensor_v2" | "torch._utils._rebuild_tensor":
            return _tensor(*arguments[:4])
        case "torch._utils._rebuild_parameter" | "torch._utils._rebuild_parameter_with_state":
            return arguments[0]
        case "torch.nn.modules.container.ParameterDict":
            return _Parameters()
        case "collections.OrderedDict" if not arguments:
            return {}
        case "torch.Size":
            return arguments[0]
        case "__builtin__.set" | "builtins.set":  # empty ones in a ParameterDict's state
            return None
    raise InvalidEmbedding(
        f"The file asks for {str(function)[:100]} to be run, which no embedding needs.",
        "It may be malicious; it was not run. Delete the file.",
    )


def _build(stack: list[Any], state: Any) -> None:
    """Give the object on top of the stack its attributes. Only a ParameterDict's matter."""
    if not isinstance(stack[-1], dict):
        raise TypeError("attributes for something that has none")
    if isinstance(stack[-1], _Parameters):
        stack[-1].update(state["_parameters"])


def _tensor(storage: Any, offset: Any, shape: Any, stride: Any) -> StoredTensor:
    if not isinstance(storage, Storage) or len(shape) != len(stride) or len(shape) > 8:
        raise ValueError("a tensor without numbers")
    numbers = (offset, *shape, *stride)
    if any(type(number) is not int or not 0 <= number < 2**31 for number in numbers):
        raise ValueError("a tensor of impossible shape")

    def load() -> torch.Tensor:
        import torch

        if math.prod(shape) > MAX_ROWS * MAX_WIDTH:  # strides of 0 make much of little
            raise InvalidEmbedding("It holds a tensor far larger than an embedding's.", "Is it a checkpoint?")
        data = storage.read()
        last = offset + sum((side - 1) * step for side, step in zip(shape, stride, strict=True))
        if 0 in shape or (last + 1) * storage.item_bytes > len(data):
            raise InvalidEmbedding("This file is damaged: a tensor is larger than its data.", "Fetch or save it anew.")
        own = bytearray(data[offset * storage.item_bytes : (last + 1) * storage.item_bytes])
        return torch.frombuffer(own, dtype=getattr(torch, storage.dtype)).as_strided(shape, stride).clone()

    return StoredTensor(tuple(shape), storage.dtype, load)
