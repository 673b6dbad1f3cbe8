"""`ui`: a command that opens no page is a tool that cannot be used."""

import json
import os
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.cli.conftest import Opened

ROOT = Path(__file__).parent.parent.parent


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.mark.parametrize("port", ["0", "-1", "65536", "http"])
def test_a_port_that_cannot_be_is_told_before_the_model_is_read(
    command: Callable[..., tuple[int, str, str]], hosts: list[Opened], port: str
) -> None:
    code, _, err = command("ui", "--port", port)
    assert code == 2
    assert "--port: " in err
    assert not hosts


@pytest.mark.slow
def test_the_page_opens_on_this_machine_alone(tmp_path: Path) -> None:
    port = free_port()
    with subprocess.Popen(
        [sys.executable, "-m", "lib_ti", "ui", "--no-browser", "--port", str(port), "--out", tmp_path],
        cwd=ROOT, env={**os.environ, "OMP_NUM_THREADS": "1"},
    ) as process:  # fmt: skip
        try:
            page = ""
            for _ in range(240):
                assert process.poll() is None
                try:
                    page = urllib.request.urlopen(f"http://127.0.0.1:{port}/", timeout=5).read().decode()
                    break
                except OSError:
                    time.sleep(0.5)
            assert "TI Lab" in page
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/ti-lab/v1/model", timeout=60) as answer:
                assert json.load(answer)["name"] == "demo"
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/openapi.json", timeout=60) as answer:
                assert "/ti-lab/v1/train/start" in json.load(answer)["paths"]
            with pytest.raises(ConnectionRefusedError):  # another address of this machine, as others would use
                socket.create_connection(("127.0.0.2", port), 5)
        finally:
            process.terminate()
