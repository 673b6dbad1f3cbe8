"""Reading what `torch.save` wrote, without running any of it.

A pickle is a program: it may name any function of Python and have it called. Here its instructions are only read, by the
standard library's disassembler, and the dozen that `torch.save` needs for plain values and tensors are carried out on
plain values. A function that the file names is never looked up; it is a pair of words, compared with the few that stand
for a tensor or a dict, and refused by name otherwise. `torch.load` is not used: WebUIs replace it (Forge renames the files
that it cannot read), and its own safe mode could be escaped in every torch before 2.6.
"""

from __future__ import annotations

import pickletools
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, BinaryIO

from lib_ti.embedding.limits import MAX_PICKLE_STEPS
from lib_ti.embedding.stored import StoredTensor
from lib_ti.errors import InvalidEmbedding

if TYPE_CHECKING:
    import torch

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
    read: Callable[[], bytes]


class _Parameters(dict[str, Any]):
    """What becomes of a torch ParameterDict, which only holds parameters by name."""


_MARK = object()
_CONSTANTS: dict[str, Any] = {"NONE": None, "NEWTRUE": True, "NEWFALSE": False, "EMPTY_TUPLE": (), "MARK": _MARK}
_WITH_VALUE = {"BININT", "BININT1", "BININT2", "LONG1", "BINFLOAT", "BINUNICODE", "SHORT_BINUNICODE"}
_TUPLE_SIZES = {"TUPLE1": 1, "TUPLE2": 2, "TUPLE3": 3}


def run_pickle(stream: BinaryIO, read: Callable[[str], bytes], sizes: dict[str, int] | None = None) -> Any:
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


def _persistent(ident: Any, read: Callable[[str], bytes], sizes: dict[str, int]) -> Storage | Name:
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

        data = storage.read()
        last = offset + sum((side - 1) * step for side, step in zip(shape, stride, strict=True))
        if 0 in shape or (last + 1) * storage.item_bytes > len(data):
            raise InvalidEmbedding("This file is damaged: a tensor is larger than its data.", "Fetch or save it anew.")
        whole = data[: len(data) // storage.item_bytes * storage.item_bytes]
        flat = torch.frombuffer(bytearray(whole), dtype=getattr(torch, storage.dtype))
        return flat.as_strided(shape, stride, offset).clone()

    return StoredTensor(tuple(shape), load)
