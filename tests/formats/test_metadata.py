"""The facts beside the vectors must survive, and a damaged fact must not cost the vectors."""

import json
import re
from pathlib import Path

import pytest
import torch

from lib_ti.embedding.embedding import Embedding
from lib_ti.formats.metadata import TOOL, Facts, read_metadata, write_metadata
from lib_ti.version import VERSION

PROJECT = Path(__file__).parent.parent.parent / "pyproject.toml"


def test_the_tools_version_is_the_projects() -> None:
    assert f"TI Lab {VERSION}" == TOOL
    project = PROJECT.read_text(encoding="utf-8")
    assert 'path = "lib_ti/version.py"' in project
    assert not re.search(r"^version = ", project, re.MULTILINE), "it stands in one place"


def test_facts_come_back(sdxl: Embedding) -> None:
    facts = read_metadata(write_metadata(sdxl))
    assert facts == Facts("my-cat", "sdxl", {"clip_l": 768, "clip_g": 1280}, step=7)


def test_what_json_does_not_know_is_kept_as_words(tmp_path: Path) -> None:
    recipe = {"folder": tmp_path, "rate": 1e-3}
    written = write_metadata(Embedding("a", {"clip_l": torch.ones(1, 2)}, recipe=recipe))
    assert json.loads(written["recipe"]) == {"folder": str(tmp_path), "rate": 1e-3}


def test_metadata_of_others_is_not_ours() -> None:
    assert read_metadata({"format": "pt", "ss_network_dim": "4"}) is None


@pytest.mark.parametrize(
    "damaged",
    [
        {"step": "-3"},
        {"step": "²"},
        {"step": "9" * 5000},
        {"family": "sd9"},
        {"encoders": '{"clip_l": -1, "clip_g": "x"}'},
        {"recipe": "{"},
        {"recipe": "[" * 100_000},
        {"token_tables": "[1]"},
    ],
)
def test_a_damaged_fact_is_left_out(damaged: dict[str, str]) -> None:
    assert read_metadata({"ti_lab.format": "1"} | damaged) == Facts()


def test_metadata_without_end_is_left_out() -> None:
    assert read_metadata({"ti_lab.format": "1", "recipe": " " * 2_000_000}) is None
