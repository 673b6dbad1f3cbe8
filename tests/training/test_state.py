"""A user would lose: exact resume, and the older copies when a file is broken."""

from pathlib import Path

import pytest
import torch

from lib_ti.errors import InvalidEmbedding
from lib_ti.training.state import RunState, load_state, save_state

VECTORS = {"clip_l": torch.randn(2, 6), "clip_g": torch.randn(2, 5)}
MOMENTS = {n: {"exp_avg": torch.randn(2, 6), "exp_avg_sq": torch.rand(2, 6), "step": torch.tensor(7.0)} for n in (0, 1)}


def test_everything_comes_back_bit_for_bit(tmp_path: Path) -> None:
    state = RunState(7, 21, 3, VECTORS, MOMENTS, "20260101T000000000000", "ab", "cd", "0123456789", "some/folder")
    save_state(tmp_path / "x.state", state)
    back = load_state(tmp_path / "x.state")
    assert (back.step, back.samples, back.seed, back.run, back.began_as) == (7, 21, 3, state.run, "ab")
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
    from safetensors.torch import save_file

    save_file({"emb_params": torch.zeros(1, 6)}, tmp_path / "foreign.state")
    for name in ("missing.state", "foreign.state"):
        with pytest.raises(InvalidEmbedding):
            load_state(tmp_path / name)
