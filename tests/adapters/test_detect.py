"""Which WebUI this is, recognised by what it is built of."""

import sys
from pathlib import Path

import pytest

from lib_ti.adapters.detect import webui_host


@pytest.mark.parametrize(
    ("packages", "host"),
    [
        (["modules"], "A1111Host"),
        (["modules", "modules_forge", "ldm_patched"], "A1111Host"),
        (["modules", "backend"], "A1111Host"),
        (["modules", "modules_forge", "backend", "backend/diffusion_engine"], "ForgeHost"),
    ],
)
def test_the_host_fits_what_the_webui_is_built_of(
    packages: list[str], host: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for package in packages:
        (tmp_path / package).mkdir()
    monkeypatch.syspath_prepend(tmp_path)
    assert type(webui_host()).__name__ == host
    for name in [name for name in sys.modules if name.split(".")[0] == "backend"]:
        monkeypatch.delitem(sys.modules, name)
