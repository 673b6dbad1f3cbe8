from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from lib_ti.cli.main import main
from tests.toy_host import ToyHost


class Opened(ToyHost):
    """The toy host, opened as the command line opens its own: with folders, and with what it was asked for."""

    def __init__(self, model: str, device: str, dtype: str, embeddings: Path, logs: Path) -> None:
        super().__init__(embeddings, "sdxl" if model.endswith("xl") else "sd1")
        self.asked = (model, device, dtype)
        self.embeddings, self.logs = embeddings, logs
        self.requests: list[Any] = []

    def embeddings_folder(self) -> Path:
        return self.embeddings

    def log_folder(self) -> Path:
        return self.logs

    def generate(self, request: Any, extra: Any = None) -> Image.Image:
        self.requests.append(request)
        return super().generate(request, extra)


@pytest.fixture
def hosts(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> list[Opened]:
    """Every host that a command opens, in a fresh folder; small and quick, but really trained on."""
    opened: list[Opened] = []

    def open_standalone(*args: Any) -> Opened:
        opened.append(Opened(*args))
        return opened[-1]

    monkeypatch.setattr("lib_ti.adapters.detect.open_standalone", open_standalone)
    monkeypatch.chdir(tmp_path)
    return opened


@pytest.fixture
def command(hosts: list[Opened], capfd: pytest.CaptureFixture[str]) -> Callable[..., tuple[int, str, str]]:
    """Runs a command line: (exit code, standard output, standard error)."""

    def run(*argv: str | Path) -> tuple[int, str, str]:
        try:
            code = main([str(word) for word in argv])
        except SystemExit as exit_:
            code = int(exit_.code or 0)
        printed = capfd.readouterr()
        return code, printed.out, printed.err

    return run
