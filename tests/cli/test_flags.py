"""Settings from files and `--set`: a value that is read as something else trains something else."""

import argparse
import contextlib
import time
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lib_ti.cli.flags import given_settings, load_settings
from lib_ti.config.options import build_config
from lib_ti.config.train import TrainConfig
from lib_ti.errors import TIError


def test_yaml_values_stay_what_was_written(tmp_path: Path) -> None:
    """YAML would make 90 of 1:30, True of on and 1e-3 text: all of them are text here until the field says otherwise."""
    path = tmp_path / "run.yaml"
    path.write_text(
        "embedding: {name: on, vectors: 2}\ndata:\n  folder: 'C:\\cats'\noptim:\n  lr: 1:30\nsave.tensorboard: yes\n"
    )
    config = build_config(TrainConfig, load_settings(path))
    assert config.embedding.name == "on"
    assert config.embedding.vectors == 2
    assert config.optim.lr == "1:30"
    assert config.save.tensorboard is True


def test_json_and_yaml_read_alike(tmp_path: Path) -> None:
    text = '{"embedding": {"name": "x"}, "data.folder": "y", "optim": {"lr": 0.001}}'
    loaded = []
    for ending in ("json", "yaml"):
        path = tmp_path / f"run.{ending}"
        path.write_text(text)
        loaded.append(build_config(TrainConfig, load_settings(path)))
    assert loaded[0] == loaded[1]


@pytest.mark.parametrize("text", ["", "- a", "a: [", "just words", "\x00"])
@pytest.mark.parametrize("ending", ["json", "yaml"])
def test_what_is_no_settings_file_is_refused_by_name(tmp_path: Path, text: str, ending: str) -> None:
    path = tmp_path / f"run.{ending}"
    path.write_text(text)
    with pytest.raises(TIError) as caught:
        load_settings(path)
    assert str(path) in str(caught.value)


def test_a_missing_settings_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(TIError, match="gone"):
        load_settings(tmp_path / "gone.yaml")


@given(st.binary(max_size=200))
def test_any_bytes_are_settings_or_a_fault(tmp_path_factory: pytest.TempPathFactory, content: bytes) -> None:
    for ending in ("json", "yaml"):
        path = tmp_path_factory.getbasetemp() / f"any.{ending}"
        path.write_bytes(content)
        with contextlib.suppress(TIError):
            assert isinstance(load_settings(path), dict)


def test_a_value_may_hold_an_equals_sign() -> None:
    args = argparse.Namespace(set=["preview.prompt=a=b", " run.seed = 3"])
    assert given_settings(args, {}) == {"preview.prompt": "a=b", "run.seed": " 3"}


def test_set_without_a_value_is_refused() -> None:
    with pytest.raises(TIError, match=r"run\.seed"):
        given_settings(argparse.Namespace(set=["run.seed"]), {})


LAUGHS = "a: &a [x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"{one}: &{one} [{', '.join([f'*{before}'] * 9)}]\n" for before, one in pairwise("abcdefghij")
)
HOSTILE = {
    "a billion laughs": (LAUGHS, "line 2, column 8: aliases"),
    "an alias to itself": ("a: &a [*a]\n", "line 1, column 8: aliases"),
    "tables merged into tables": ("a: &a {x: 1}\nb:\n  <<: *a\n", "line 3, column 7: aliases"),
    "an alias for a name": ("&a name: 1\n*a : 2\n", "line 2, column 1: aliases"),
    "lists within lists": ("a: " + "[" * 100_000, "nested more than 20 deep"),
    "tables within tables": ("".join(f"{' ' * n}a:\n" for n in range(600)), "line 20, column 20: it is nested"),
    "dashes within dashes": ("- " * 5000, "nested more than 20 deep"),
    "questions within questions": ("? " * 5000, "nested more than 20 deep"),
    "more than anybody writes": ("a: 1\n" * 100_000, "more than the"),
    "a mistake": ("optim:\n  lr: 'x\n", "line 3, column 1"),
}


@pytest.mark.parametrize("what", HOSTILE)
def test_a_settings_file_that_would_never_be_read_to_its_end_is_told(tmp_path: Path, what: str) -> None:
    """By its line and column; it took all memory, or minutes."""
    text, words = HOSTILE[what]
    path = tmp_path / "run.yaml"
    path.write_text(text)
    began = time.monotonic()
    with pytest.raises(TIError) as caught:
        load_settings(path)
    assert time.monotonic() - began < 20
    assert words in str(caught.value)
    assert str(path) in str(caught.value)
    assert len(str(caught.value)) < 1000


def test_json_settings_are_bounded_too(tmp_path: Path) -> None:
    path = tmp_path / "run.json"
    for text in ("[" * 10**5, '{"a":' * 700 + "1" + "}" * 700, " " * 10**6 + "{}"):
        path.write_text(text)
        with pytest.raises(TIError, match=r"run\.json"):
            load_settings(path)


def test_anchors_that_nobody_uses_and_marks_of_other_programs_are_no_fault(tmp_path: Path) -> None:
    path = tmp_path / "run.yaml"
    path.write_bytes(
        b"\xef\xbb\xbf%YAML 1.1\n---\noptim: &o {lr: !!float 0.1}\nrun:\n  seed: !python/object:os.system 3\n"
    )
    assert load_settings(path) == {"optim.lr": "0.1", "run.seed": "3"}
