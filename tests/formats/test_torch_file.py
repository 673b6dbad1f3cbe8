"""A pickle is a program. Nothing in it may run, whatever trick it is written with, and what we write others must accept."""

import copy
import io
import os
import pickle
import pickletools
import re
import runpy
import struct
import zipfile
from collections import OrderedDict
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lib_ti.embedding.embedding import Embedding
from lib_ti.errors import InvalidEmbedding
from lib_ti.formats.files import load_bundle, load_embedding, load_header, save_diffusers, save_embedding
from lib_ti.formats.torch_file import read_torch_file
from tests.formats.layout_files import a1111

WITNESS = "witness-of-execution"


class Call:
    def __init__(self, function: Any, *arguments: Any, state: Any = None) -> None:
        self.parts = (function, arguments) if state is None else (function, arguments, state)

    def __reduce__(self) -> Any:
        return self.parts


def tricks(target: str) -> dict[str, bytes]:
    """Pickles that would make the file `target`, each by another way, and some that would fill memory or run for ever."""
    touch = f"touch {target}"
    python = f"open({target!r}, 'w')"
    protocol2 = {
        "os.system": Call(os.system, touch),
        "eval": Call(eval, python),
        "exec": Call(exec, python),
        "getattr": Call(getattr, "x", "upper"),
        "runpy": Call(runpy.run_path, target),
        "torch.load": Call(torch.load, target),
        "hidden in an OrderedDict's items": OrderedDict(a=Call(os.system, touch)),
        "hidden in a state": Call(OrderedDict, state={"x": Call(os.system, touch)}),
        "as a tensor's hook": Call(torch._utils._rebuild_parameter, Call(os.system, touch), True, OrderedDict()),
        "OrderedDict of pairs": Call(OrderedDict, [["a", 1]]),
    }
    made = {name: pickle.dumps(value, 2) for name, value in protocol2.items()}
    made |= {f"{name}, protocol 4": pickle.dumps(value, 4) for name, value in protocol2.items()}
    made |= {f"{name}, protocol 0": pickle.dumps(value, 0) for name, value in protocol2.items()}
    escaped = touch.encode()
    made |= {
        "INST": b"(S'" + escaped + b"'\nios\nsystem\n.",
        "OBJ": b"(cos\nsystem\nS'" + escaped + b"'\no.",
        "BUILD over a name": b"\x80\x02ccollections\nOrderedDict\n}U\x08__code__K\x01sb.",
        "dotted name": b"\x80\x04\x8c\x0bcollections\x8c\x18abc.sys.modules.__call__\x93)R.",
        "extension code": b"\x80\x02\x82\x01.",
        "memo bomb": b"\x80\x02Nr\xff\xff\xff\x7f.",
        "length bomb": b"\x80\x04\x8e" + (1 << 60).to_bytes(8, "little") + b".",
        "hash bomb": b"\x80\x02}" + b")" + b"2\x86" * 200 + b"Ns.",
        "hash bomb by memo": b"\x80\x02})q\x00" + b"".join(b"h\x00h\x00\x86q\x00" for _ in range(200)) + b"Ns.",
        "string bomb": b"\x80\x02]q\x00" + b"".join(b"]q\x01h\x00ah\x00aq\x00" for _ in range(200)) + b")R.",
        "integer bomb": b"L" + b"9" * 2_000_000 + b"L\n.",
        "endless": b"\x80\x02" + b"N" * 2_000_000 + b".",
        "empty": b"",
        "no end": b"\x80\x02}",
        "too many pops": b"\x80\x02RRRR.",
    }
    return made


def in_zip(pickled: bytes, compression: int = zipfile.ZIP_STORED) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", compression) as archive:
        archive.writestr("archive/data.pkl", pickled)
        archive.writestr("archive/version", "3\n")
    return file.getvalue()


def in_legacy(pickled: bytes) -> bytes:
    head = (0x1950A86A20F9469CFC6C, 1001, {"protocol_version": 1001, "little_endian": True, "type_sizes": {}})
    return b"".join(pickle.dumps(part, 2) for part in head) + pickled + pickle.dumps([], 2)


@pytest.mark.parametrize("wrap", [in_zip, in_legacy, lambda pickled: pickled])
@pytest.mark.parametrize("trick", tricks("x"))
def test_a_malicious_pickle_is_refused_and_not_run(trick: str, wrap: Any, tmp_path: Path) -> None:
    target = tmp_path / WITNESS
    path = tmp_path / "evil.pt"
    path.write_bytes(wrap(tricks(str(target))[trick]))
    with pytest.raises(InvalidEmbedding):
        load_embedding(path)
    assert not target.exists()


def test_the_tricks_do_work_on_a_plain_unpickler(tmp_path: Path) -> None:
    """Else the test above would prove nothing."""
    for trick in ("os.system", "os.system, protocol 4", "eval", "INST", "OBJ", "hidden in a state"):
        target = tmp_path / re.sub(r"\W", "-", trick)
        pickle.loads(tricks(str(target))[trick])
        assert target.exists(), trick


def test_the_refusal_names_what_the_file_asks_for(tmp_path: Path) -> None:
    (tmp_path / "a.pt").write_bytes(in_zip(tricks(WITNESS)["eval"]))
    with pytest.raises(InvalidEmbedding, match=r"(?s)asks for __builtin__\.eval to be run.*malicious"):
        load_embedding(tmp_path / "a.pt")


def test_compressed_and_swollen_zips_are_refused() -> None:
    with pytest.raises(InvalidEmbedding, match="compressed"):
        read_torch_file(in_zip(b"\x80\x02]" + b"N" * 10_000_000, zipfile.ZIP_DEFLATED))
    many = io.BytesIO()
    with zipfile.ZipFile(many, "w") as archive:
        for number in range(2000):
            archive.writestr(f"archive/data/{number}", b"")
    with pytest.raises(InvalidEmbedding, match="far too many parts"):
        read_torch_file(many.getvalue())


def test_a_tensor_larger_than_its_data_is_refused(tmp_path: Path) -> None:
    whole = io.BytesIO()
    torch.save(a1111(torch.ones(2, 768)), whole)
    short = io.BytesIO()
    with zipfile.ZipFile(whole) as source, zipfile.ZipFile(short, "w") as target:
        for name in source.namelist():
            target.writestr(name, source.read(name)[:1000])
    (tmp_path / "a.pt").write_bytes(short.getvalue())
    with pytest.raises(InvalidEmbedding, match="larger than its data"):
        load_embedding(tmp_path / "a.pt")


def test_reading_does_not_go_through_torch_load(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """WebUIs replace torch.load; Forge's renames a file that it cannot read."""
    monkeypatch.setattr(torch, "load", None)
    assert load_embedding(data / "a1111-sd1.pt").rows == 2


# A1111's check of a pickle, as of 1.0 (the strictest) and 1.10: the members of the zip, and the names it may ask for.
STRICT = re.compile(r"([^/]+)/((data/\d+)|version|(data\.pkl))")
ALLOWED = {"collections OrderedDict", "torch._utils _rebuild_tensor_v2", "torch FloatStorage"}


@pytest.mark.parametrize("save", [save_embedding, save_diffusers])
def test_what_we_write_passes_the_checks_of_hosts(save: Any, sd1: Embedding, tmp_path: Path) -> None:
    path = tmp_path / ("a.pt" if save is save_embedding else "a.bin")
    save(sd1, path)
    with zipfile.ZipFile(path) as archive:
        assert all(STRICT.fullmatch(name) for name in archive.namelist())
        instructions = list(pickletools.genops(archive.read("archive/data.pkl")))
    assert {argument for opcode, argument, _ in instructions if opcode.name == "GLOBAL"} <= ALLOWED
    assert not any(opcode.name == "STACK_GLOBAL" for opcode, _, _ in instructions)
    values = torch.load(path, weights_only=True)
    tensor = values["string_to_param"]["*"] if save is save_embedding else values["my-cat"]
    assert torch.equal(tensor, sd1.vectors["clip_l"])


def test_the_same_embedding_gives_the_same_bytes(sd1: Embedding, tmp_path: Path) -> None:
    save_embedding(sd1, tmp_path / "a.pt")
    save_embedding(sd1, tmp_path / "b.pt")
    assert (tmp_path / "a.pt").read_bytes() == (tmp_path / "b.pt").read_bytes()


STRINGS = st.sampled_from(
    [
        "string_to_param",
        "*",
        "name",
        "step",
        "storage",
        "0",
        "cpu",
        "ti_lab",
        "emb_params",
        "cat",
        "_parameters",
        "x" * 300,
    ]
)
NAMES = st.sampled_from(
    [
        *(
            "torch._utils _rebuild_tensor_v2",
            "torch._utils _rebuild_parameter",
            "torch FloatStorage",
            "torch LongStorage",
        ),
        *("torch ComplexFloatStorage", "collections OrderedDict", "torch Size", "os system", "builtins eval", "a"),
        *("torch.nn.modules.container ParameterDict", "__builtin__ set"),
    ]
)


def spelled(text: str) -> bytes:
    return b"X" + len(text.encode()).to_bytes(4, "little") + text.encode()


STEPS = st.one_of(
    STRINGS.map(spelled),
    NAMES.map(lambda name: f"c{name.replace(' ', chr(10))}\n".encode()),
    st.integers(-(2**31), 2**31 - 1).map(lambda n: b"J" + n.to_bytes(4, "little", signed=True)),
    st.integers(0, 255).map(lambda n: b"K" + bytes([n])),
    st.binary(max_size=12).map(lambda digits: b"\x8a" + bytes([len(digits)]) + digits),
    st.floats().map(lambda number: b"G" + struct.pack(">d", number)),
    st.integers(0, 3).map(lambda n: b"q" + bytes([n])),
    st.integers(0, 3).map(lambda n: b"h" + bytes([n])),
    st.sampled_from([*b"(}]NtubRQase.)\x85\x86\x87\x88\x89\x81"]).map(lambda code: bytes([code])),
    st.binary(max_size=3),
)
TENSOR = (
    b"ctorch._utils\n_rebuild_tensor_v2\n((" + spelled("storage") + b"ctorch\nFloatStorage\n" + spelled("0")
    + spelled("cpu") + b"K\x06tQK\x00K\x02K\x03\x86K\x03K\x01\x86\x89ccollections\nOrderedDict\n)RtR"
)  # fmt: skip


@st.composite
def pickles(draw: st.DrawFn) -> bytes:
    """Any few instructions, or those of an embedding with some put in, taken out or doubled."""
    honest = [b"}", b"(", spelled("string_to_param"), b"}", spelled("*"), TENSOR, b"s", spelled("step"), b"K\x03", b"u"]
    steps = list(draw(st.sampled_from([[], honest])))
    for _ in range(draw(st.integers(0, 8))):
        place = draw(st.integers(0, len(steps)))
        steps[place : place + draw(st.integers(0, 2))] = draw(st.lists(STEPS | st.just(TENSOR), max_size=3))
    return b"\x80\x02" + b"".join(steps) + draw(st.sampled_from([b".", b".", b".", b""]))


@settings(max_examples=300, database=None, suppress_health_check=list(HealthCheck))
@given(program=pickles(), legacy=st.booleans())
def test_any_program_is_read_or_told_and_none_of_it_is_run(
    tmp_path_factory: pytest.TempPathFactory, program: bytes, legacy: bool
) -> None:
    path = tmp_path_factory.getbasetemp() / "any.pt"
    if legacy:
        head = b"".join(pickle.dumps(part, 2) for part in (0x1950A86A20F9469CFC6C, 1001, {"little_endian": True}))
        path.write_bytes(head + program + pickle.dumps(["0"], 2) + (6).to_bytes(8, "little") + bytes(24))
    else:
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr("a/data.pkl", program)
            archive.writestr("a/data/0", bytes(24))
    for load in (load_header, load_embedding, load_bundle):
        with suppress(InvalidEmbedding):
            load(path)


def test_the_honest_program_among_them_is_read(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "x.pt", "w") as archive:
        parts = [b"\x80\x02}", spelled("string_to_param"), b"}", spelled("*"), TENSOR, b"ss."]
        archive.writestr("a/data.pkl", b"".join(parts))
        archive.writestr("a/data/0", bytes(24))
    assert load_embedding(tmp_path / "x.pt").widths == {"unknown": 3}


@pytest.mark.parametrize("what", ["tuples", "lists", "memo"])
def test_a_value_that_is_nested_or_shared_without_end_is_told(tmp_path: Path, what: str) -> None:
    """As an error's words it would take the recursion, or the memory, of all."""
    programs = {
        "tuples": b"\x80\x02N" + b"\x85" * 15000 + b"K\x01a.",
        "lists": b"\x80\x02" + b"]" * 5000 + b"a" * 4999 + b"s.",
        "memo": b"\x80\x02Nq\x00" + b"h\x00h\x00\x86q\x00" * 3000 + b"N}s.",
    }
    with zipfile.ZipFile(tmp_path / "x.pt", "w") as archive:
        archive.writestr("a/data.pkl", programs[what])
    for load in (load_header, load_embedding, load_bundle):
        with pytest.raises(InvalidEmbedding):
            load(tmp_path / "x.pt")


def test_rows_that_are_views_of_one_storage_are_read_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file of 64 MB with 1,024 such rows had 64 GB copied."""
    whole = torch.arange(300.0 * 4).reshape(300, 4)
    value = {"cat" if n == 0 else f"cat_{n}": row for n, row in enumerate(whole)}
    read: list[str] = []
    reads = zipfile.ZipFile.read
    monkeypatch.setattr(
        zipfile.ZipFile, "read", lambda self, member, *rest: (read.append(str(member)), reads(self, member, *rest))[1]
    )
    for new in (True, False):
        torch.save(value, tmp_path / "x.bin", _use_new_zipfile_serialization=new)
        assert torch.equal(load_embedding(tmp_path / "x.bin").vectors["unknown"], whole)
    assert len(read) < 10


def test_parts_of_a_zip_that_lie_over_each_other_are_refused(tmp_path: Path) -> None:
    """Each can be as large as the file, and there may be a thousand."""
    path = tmp_path / "x.pt"
    torch.save({"string_to_param": {"*": torch.zeros(2, 768)}}, path)
    with zipfile.ZipFile(path) as archive:
        (entry,) = [one for one in archive.infolist() if one.filename.endswith("data/0")]
    with zipfile.ZipFile(path, "a") as archive:
        archive.filelist += [copy.copy(entry) for _ in range(20)]
        for number, one in enumerate(archive.filelist[-20:], 1):
            one.filename = one.filename[:-1] + str(number)
        archive._didModify = True  # type: ignore[attr-defined]
    with pytest.raises(InvalidEmbedding, match=r"over each other"):
        load_header(path)


@pytest.mark.parametrize("code", [b"L%s\n", b"I%s\n", b"F%s\n"])
def test_a_number_as_long_as_a_book_is_not_read(tmp_path: Path, code: bytes) -> None:
    """Python before 3.10.7 takes minutes for it."""
    with zipfile.ZipFile(tmp_path / "x.pt", "w") as archive:
        archive.writestr("a/data.pkl", b"\x80\x02" + code % (b"9" * 4000) + b".")
    with pytest.raises(InvalidEmbedding, match="no newline"):
        load_header(tmp_path / "x.pt")
