"""A user would lose: exact resume, and the older copies when a file is broken."""

import json
import os
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from safetensors import safe_open
from safetensors.torch import save_file

from lib_ti.errors import InvalidEmbedding
from lib_ti.training.state import RunState, load_state, save_state

VECTORS = {"clip_l": torch.randn(2, 6), "clip_g": torch.randn(2, 5)}
MOMENTS = {
    name: {"exp_avg": torch.randn(2, width), "exp_avg_sq": torch.rand(2, width), "step": torch.tensor(7.0)}
    for name, width in (("clip_g", 5), ("clip_l", 6))
}
STATE = RunState(7, 21, 3, VECTORS, MOMENTS, "20260101T000000000000", "ab", "cd", "0123456789", "some/folder")


def test_everything_comes_back_bit_for_bit(tmp_path: Path) -> None:
    save_state(tmp_path / "x.state", STATE)
    back = load_state(tmp_path / "x.state")
    assert (back.step, back.samples, back.seed, back.run, back.began_as) == (7, 21, 3, STATE.run, "ab")
    assert (back.fingerprint, back.model_hash, back.folder) == ("cd", "0123456789", "some/folder")
    for name, vector in VECTORS.items():
        assert torch.equal(back.vectors[name], vector)
    for number, moments in MOMENTS.items():
        for key, tensor in moments.items():
            assert torch.equal(back.moments[number][key], tensor)


@pytest.mark.parametrize("content", [b"", b"garbage", b"\xff" * 64, (2**60).to_bytes(8, "little") + b"{}"])
def test_broken_files_are_our_error(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "x.state"
    path.write_bytes(content)
    with pytest.raises(InvalidEmbedding, match=r"x\.state"):
        load_state(path)


def test_a_missing_file_and_a_foreign_safetensors_are_our_error(tmp_path: Path) -> None:
    save_file({"emb_params": torch.zeros(1, 6)}, tmp_path / "foreign.state")
    for name in ("missing.state", "foreign.state"):
        with pytest.raises(InvalidEmbedding):
            load_state(tmp_path / name)


Tensors = dict[str, torch.Tensor]
Record = dict[str, Any]


def rewritten(path: Path, change: Callable[[Tensors, Record], Any]) -> Path:
    """The file of STATE with tensors and record changed."""
    save_state(path, STATE)
    with safe_open(str(path), framework="pt") as file:
        tensors = {key: file.get_tensor(key).clone() for key in file.keys()}  # noqa: SIM118 - not a dict
        record = json.loads(file.metadata()["ti_lab.state"])
    change(tensors, record)
    save_file(tensors, path, {"ti_lab.state": json.dumps(record)})
    return path


DAMAGES: dict[str, Callable[[Tensors, Record], Any]] = {
    "no vectors": lambda tensors, record: [tensors.pop(f"vectors.{name}") for name in VECTORS],
    "a vector for each row": lambda tensors, record: tensors.update({"vectors.clip_l": torch.zeros(6)}),
    "rows that differ": lambda tensors, record: tensors.update({"vectors.clip_l": torch.zeros(3, 6)}),
    "no rows": lambda tensors, record: tensors.update({f"vectors.{name}": torch.zeros(0, 6) for name in VECTORS}),
    "half precision": lambda tensors, record: tensors.update({"vectors.clip_l": torch.zeros(2, 6).half()}),
    "whole numbers": lambda tensors, record: tensors.update({"moments.clip_g.step": torch.tensor(7)}),
    "no numbers": lambda tensors, record: tensors["vectors.clip_l"].fill_(float("nan")),
    "infinite moments": lambda tensors, record: tensors["moments.clip_l.exp_avg"].fill_(float("inf")),
    "negative squares": lambda tensors, record: tensors["moments.clip_l.exp_avg_sq"].fill_(-1),
    "moments of other vectors": lambda tensors, record: tensors.update({"moments.clip_l.exp_avg": torch.zeros(2, 5)}),
    "half of the moments": lambda tensors, record: tensors.pop("moments.clip_l.exp_avg"),
    "moments of nobody": lambda tensors, record: tensors.update({"moments.two.step": torch.zeros(())}),
    "a key without a place": lambda tensors, record: tensors.update(moments=torch.zeros(1)),
    "tensors of something else": lambda tensors, record: tensors.update({"a.b.c": torch.zeros(1)}),
    "no step": lambda tensors, record: record.pop("step"),
    "a step before the first": lambda tensors, record: record.update(step=-1),
    "half a step": lambda tensors, record: record.update(step=7.5),
    "a step of truth": lambda tensors, record: record.update(step=True),
    "a seed that no generator takes": lambda tensors, record: record.update(seed=2**70),
    "a number for a folder": lambda tensors, record: record.update(folder=7),
    "a list for a recipe": lambda tensors, record: record.update(recipe=[]),
    "nothing for a name": lambda tensors, record: record.update(model_name=None),
    "numbers for digests": lambda tensors, record: record.update(token_tables={"clip_l": 7}),
    "no format": lambda tensors, record: record.pop("format"),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_what_no_run_of_ours_wrote_is_told_and_not_used(tmp_path: Path, damage: str) -> None:
    path = rewritten(tmp_path / "x.state", DAMAGES[damage])
    with pytest.raises(InvalidEmbedding, match="no state of a training run"):
        load_state(path)


@pytest.mark.parametrize(("form", "words"), [("3", "a newer TI Lab"), ("999", "a newer TI Lab")])
def test_a_state_of_a_newer_version_says_so(tmp_path: Path, form: str, words: str) -> None:
    """And not that it is damaged, which would have somebody delete it."""
    path = rewritten(tmp_path / "x.state", lambda tensors, record: record.update(format=form, step="seven"))
    with pytest.raises(InvalidEmbedding, match=rf"{words}.*format is '{form}'"):
        load_state(path)


@pytest.mark.parametrize("form", [None, 1, 2, "0", "one", "9" * 5000, "²", ["1"], {}])
def test_a_state_of_a_format_that_never_was_is_told(tmp_path: Path, form: object) -> None:
    path = rewritten(tmp_path / "x.state", lambda tensors, record: record.update(format=form))
    with pytest.raises(InvalidEmbedding, match="no TI Lab wrote it"):
        load_state(path)


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=4),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=6,
)


@settings(max_examples=150, database=None, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_any_record_and_any_tensors_are_a_state_or_are_told(tmp_path_factory: Any, data: st.DataObject) -> None:
    """Each fact of another kind, gone or doubled; each tensor of another key, type or shape; or bytes anywhere changed."""
    path = tmp_path_factory.mktemp("states", numbered=True) / "x.state"

    def spoil(tensors: Tensors, record: Record) -> None:
        for fact in data.draw(st.lists(st.sampled_from(sorted(record)), max_size=2)):
            record[fact] = data.draw(VALUES)
        for key in data.draw(st.lists(st.sampled_from(sorted(tensors)), max_size=2)):
            shape = data.draw(st.lists(st.integers(0, 6), max_size=3))
            other = data.draw(
                st.text(max_size=12) | st.sampled_from([key, "vectors.", "moments.clip_g", "moments.clip_g.step.x"])
            )
            dtype = data.draw(st.sampled_from([torch.float32, torch.float16, torch.int64, torch.bool]))
            tensors.pop(key, None)
            tensors[other] = torch.full(shape, data.draw(st.sampled_from([0, 1, float("nan")])) or 0).to(dtype)

    rewritten(path, spoil)
    whole = path.read_bytes()
    for place in data.draw(st.lists(st.integers(0, len(whole) - 1), max_size=3)):
        whole = whole[:place] + data.draw(st.binary(max_size=3)) + whole[place + data.draw(st.integers(0, 3)) :]
    path.write_bytes(whole)
    with suppress(InvalidEmbedding):
        state = load_state(path)
        assert all(type(getattr(state, name)) is int for name in ("step", "samples", "seed"))
        assert all(bool(one.isfinite().all()) for one in state.vectors.values())


def test_a_record_that_is_nested_without_end_is_told(tmp_path: Path) -> None:
    path = tmp_path / "x.state"
    save_state(path, STATE)
    with safe_open(str(path), framework="pt") as file:
        tensors = {key: file.get_tensor(key).clone() for key in file.keys()}  # noqa: SIM118 - not a dict
        record = file.metadata()["ti_lab.state"]
    deep = '{"a":' * 700 + "1" + "}" * 700
    save_file(tensors, path, {"ti_lab.state": record.replace('"recipe": {}', f'"recipe": {deep}')})
    with pytest.raises(InvalidEmbedding, match="nested"):
        load_state(path)


def test_a_state_from_before_a_fact_was_kept_is_read(tmp_path: Path) -> None:
    def older(tensors: Tensors, record: Record) -> None:
        for fact in ("settings", "token_tables", "model_name"):
            record.pop(fact)

    state = load_state(rewritten(tmp_path / "x.state", older))
    assert (state.step, state.settings, state.token_tables, state.model_name) == (7, {}, {}, "")


@pytest.mark.parametrize("record", ["[]", "7", "null", "{" * 3000, '{"a": ' * 100_000, "NaN"])
def test_a_record_that_is_no_table_is_told(tmp_path: Path, record: str) -> None:
    save_file({"vectors.clip_l": torch.zeros(1, 6)}, tmp_path / "x.state", {"ti_lab.state": record})
    with pytest.raises(InvalidEmbedding):
        load_state(tmp_path / "x.state")


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="Windows has no such files")
def test_a_pipe_by_the_name_of_a_state_keeps_nobody_waiting(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "x.state")
    with pytest.raises(InvalidEmbedding):
        load_state(tmp_path / "x.state")


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(place=st.floats(0, 1, exclude_max=True), byte=st.integers(0, 255), cut=st.booleans())
def test_a_damaged_state_is_read_right_or_refused(tmp_path: Path, place: float, byte: int, cut: bool) -> None:
    path = tmp_path / "x.state"
    save_state(path, STATE)
    data = bytearray(path.read_bytes())
    at = int(place * len(data))
    data[at] = byte
    path.write_bytes(data[:at] if cut else data)
    try:
        state = load_state(path)
    except InvalidEmbedding:
        return
    assert [vector.shape for vector in state.vectors.values()] == [(2, 5), (2, 6)]
