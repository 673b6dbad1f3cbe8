"""What is particular to our own host; the rest is in the contract."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from lib_ti.errors import Busy, HostError
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
