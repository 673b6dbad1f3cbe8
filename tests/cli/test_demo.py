"""`demo`: the first thing a newcomer sees must work, on the real models, and its figures must be true."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image

from lib_ti.formats.files import load_embedding

ROOT = Path(__file__).parent.parent.parent


def run(*argv: str | Path) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-m", "lib_ti", *map(str, argv)]
    return subprocess.run(command, capture_output=True, text=True, check=False, cwd=ROOT, env=environment)


@pytest.mark.slow
@pytest.mark.parametrize("model", ["demo", "demo-xl"])
def test_the_demo_learns_its_concept_and_says_how_well(model: str, tmp_path: Path) -> None:
    made = run("demo", "--model", model, "--out", tmp_path)
    assert made.returncode == 0, made.stderr
    summary = json.loads((tmp_path / "summary.json").read_text())
    assert summary["family"] == {"demo": "sd1", "demo-xl": "sdxl"}[model]
    assert summary["steps"] == 200
    assert summary["images_per_second"] > 0
    assert summary["loss_oracle"] < summary["loss_init"]
    assert summary["gap_closed"] >= 0.8
    assert load_embedding(tmp_path / summary["embedding"]).step == 200
    assert len(summary["previews"]) == 5
    for picture in (*summary["previews"], summary["loss_plot"]):
        with Image.open(tmp_path / picture) as opened:
            opened.load()
    generated = run(
        "generate", "--model", model, "--embeddings", tmp_path, "--prompt", "a demostar", "--out", tmp_path / "a.png"
    )
    assert generated.returncode == 0, generated.stderr


def test_the_demo_of_a_model_that_has_none_is_refused() -> None:
    made = run("demo", "--model", "mine.safetensors")
    assert made.returncode == 2
    assert "demo or demo-xl" in made.stderr
