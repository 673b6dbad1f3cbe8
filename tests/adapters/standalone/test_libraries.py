"""A user would lose everything to a torchvision that nothing here needs."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]


@pytest.mark.parametrize("fault", ["RuntimeError('operator torchvision::nms does not exist')", "ImportError('_C.so')"])
def test_a_torchvision_for_another_torch_does_not_stop_the_model(tmp_path: Path, fault: str) -> None:
    (tmp_path / "torchvision").mkdir()
    (tmp_path / "torchvision" / "__init__.py").write_text(f"raise {fault}\n")
    path = os.pathsep.join([str(tmp_path), str(ROOT)])
    code = "from lib_ti.adapters.standalone.libraries import CLIPTextModel, UNet2DConditionModel"
    result = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, "PYTHONPATH": path},
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 0, result.stderr
