"""A user who never saw our code would lose the way to what is wrong: faults name what they wrote, or can write."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest

from lib_ti.cli import convert as convert_
from lib_ti.cli import create, dataset, demo, describe, generate, merge, remake, train, ui
from lib_ti.cli import inspect as inspect_
from lib_ti.cli.flags import faults_by_flag
from lib_ti.config.command import GenerateConfig, ServeConfig
from lib_ti.config.dataset import DatasetConfig
from lib_ti.config.describe import DescribeConfig
from lib_ti.config.embeddings import ConvertConfig, CreateConfig, InspectConfig, MergeConfig, RemakeConfig
from lib_ti.config.options import walk_options
from lib_ti.config.train import TrainConfig
from lib_ti.errors import Fault, FaultList, InvalidConfig, InvalidDataset, TIError

COMMANDS = {
    "train": (train, TrainConfig, ["train"]),
    "dataset": (dataset, DatasetConfig, ["dataset", "in"]),
    "describe": (describe, DescribeConfig, ["describe", "in"]),
    "create": (create, CreateConfig, ["create"]),
    "merge": (merge, MergeConfig, ["merge", "'cat'"]),
    "again": (remake, RemakeConfig, ["again", "a.pt"]),
    "inspect": (inspect_, InspectConfig, ["inspect", "a.pt"]),
    "convert": (convert_, ConvertConfig, ["convert", "a.pt", "--out", "out"]),
    "generate": (generate, GenerateConfig, ["generate", "--prompt", "a cat"]),
    "ui": (ui, ServeConfig, ["ui"]),
    "demo": (demo, TrainConfig, ["demo"]),
}
WRITTEN = re.compile(r"--set [a-z0-9_.]+|--[a-z0-9-]+|[A-Z]+")
"""A flag, a setting by --set, or a place of the command."""


@pytest.mark.parametrize("name", COMMANDS)
@pytest.mark.parametrize("kind", [InvalidConfig, InvalidDataset])
def test_every_settings_fault_names_what_the_user_can_write(
    name: str,
    kind: type[FaultList],
    command: Callable[..., tuple[int, str, str]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    module, config, argv = COMMANDS[name]
    known = {path: about.label for path, _, _, about in walk_options(config)}
    faults = [Fault(path, f"fault {number} of it") for number, path in enumerate(known)]

    def refuse(*_: Any) -> None:
        raise kind(faults)

    monkeypatch.setattr(module, "build_config", refuse)
    code, _, told = command(*argv)
    assert code == 2
    flags = set(re.findall(r"--[a-z0-9-]+", command(*argv, "--help")[1]))
    for number, (path, label) in enumerate(known.items()):
        where = re.search(rf"^ *(.*): fault {number} of it", told, re.M)
        assert where, told
        if WRITTEN.fullmatch(where[1]):
            assert not where[1].startswith("--") or where[1].split()[0] in flags, "a flag of this very command"
            assert not where[1].startswith("--set ") or where[1] == f"--set {path}"
        else:  # what this command has no way to set, a label tells
            assert where[1] == label


def test_a_template_that_there_is_not_is_told_by_its_flag(command: Callable[..., tuple[int, str, str]]) -> None:
    code, _, told = command("train", "--name", "cat", "--data", "none", "--template", "nosuch")
    assert code == 2
    assert "--template: there is no template 'nosuch'" in told
    assert "data." not in told


def test_an_error_at_one_setting_is_told_by_its_flag() -> None:
    with pytest.raises(TIError) as told, faults_by_flag(train.FLAGS, TrainConfig, any_setting=True):
        raise TIError("It is full.", "Choose another.", "save.log_folder")
    assert str(told.value) == "--set save.log_folder: It is full.\nChoose another."
