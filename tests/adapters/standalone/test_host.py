"""What is particular to our own host; the rest is in the contract."""

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from lib_ti.adapters.standalone.detection import family_networks
from lib_ti.adapters.standalone.host import StandaloneHost
from lib_ti.adapters.standalone.source import open_source
from lib_ti.errors import Busy, HostError, InvalidConfig
from lib_ti.host import ImageRequest, SessionRequest
from tests.adapters.standalone.conftest import Tiny, open_host


def test_one_job_at_a_time_uses_the_model(tmp_path: Path) -> None:
    host = open_host("demo", tmp_path)
    with host.training_session(SessionRequest("zork", 1)):
        with pytest.raises(Busy):
            host.generate(ImageRequest("a cat", steps=1))
        with pytest.raises(Busy), host.training_session(SessionRequest("zork", 1)):
            pass
    host.generate(ImageRequest("a cat", steps=1))


def test_a_size_the_model_cannot_paint_comes_with_the_next_that_it_can(tiny: Tiny, tmp_path: Path) -> None:
    with pytest.raises(HostError, match="67 pixels") as error:
        open_host(tiny.path, tmp_path).generate(ImageRequest("a cat", steps=1, width=67))
    assert "64" in error.value.hint


def test_random_models_of_every_family_paint(tiny: Tiny, tmp_path: Path) -> None:
    host = open_host(tiny.path, tmp_path)
    request = ImageRequest("a (cat:1.2) BREAK in a box", negative="dog", steps=2, width=96, height=64)
    image = host.generate(request)
    assert image.size == (96, 64)
    assert np.array_equal(np.asarray(image), np.asarray(host.generate(request)))


def test_half_precision_paints_too(tiny: Tiny, tmp_path: Path) -> None:
    image = open_host(tiny.path, tmp_path, "bf16").generate(ImageRequest("a cat", steps=2))
    assert np.asarray(image).std() > 0


def test_naming_the_model_needs_no_torch() -> None:
    """`--help` of a wrong command, and a wrong file, answer at once."""
    code = (
        "import sys; from pathlib import Path; from lib_ti.adapters.detect import open_standalone\n"
        "host = open_standalone('demo-xl', 'auto', 'auto', Path('e'), Path('l'))\n"
        "print(host.model().family, host.tokenize('cat'), host.samplers()[0])\n"
        "print([name for name in ('torch', 'diffusers', 'transformers') if name in sys.modules])"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout.splitlines() == ["sdxl [2368] DPM++ 2M", "[]"]


def test_a_device_that_is_not_there_and_loras_are_told_together_without_a_model(tmp_path: Path) -> None:
    host = StandaloneHost(open_source("demo"), "cuda:77", "fp32", tmp_path / "embeddings", tmp_path / "logs")
    with pytest.raises(InvalidConfig) as refused:
        host.validate_session(SessionRequest("foo", 1, networks="<lora:a:1>"))
    assert [fault.where for fault in refused.value.faults] == ["run.networks", ""]
    assert "cuda:77" in refused.value.faults[1].message
    assert not list(tmp_path.iterdir())


def test_memory_is_told_of_full_sized_models_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    host = StandaloneHost(open_source("demo"), "cpu", "fp32", tmp_path / "embeddings", tmp_path / "logs")
    assert host.update_memory((1, 4, 64, 64), False) is None
    full = replace(host._source, detected=replace(host._source.detected, networks=family_networks("sd1")))
    monkeypatch.setattr(host, "_source", full)
    found = host.update_memory((1, 4, 64, 64), False)
    assert found
    need, free = found
    assert 1 < need / 2**30 < 3
    assert free > 0
