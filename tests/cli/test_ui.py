"""`ui`: a command that opens no page is a tool that cannot be used."""

import json
import os
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path

import pytest

from lib_ti.cli.ui import read_users
from lib_ti.config.command import ServeConfig
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


def read(**values: str) -> dict[str, str]:
    return read_users(ServeConfig(**values))  # type: ignore[arg-type]


def test_passwords_come_from_the_flag_a_file_or_a_variable(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "users"
    file.write_text("bob:a:b\n\n  eve:pear \n")
    monkeypatch.delenv("TI_LAB_AUTH", raising=False)
    assert read() == {}
    assert read(auth="ann:opener") == {"ann": "opener"}
    assert read(auth_file=str(file)) == {"bob": "a:b", "eve": "pear"}
    assert read(auth="ann:opener", auth_file=str(file)).keys() == {"ann", "bob", "eve"}
    monkeypatch.setenv("TI_LAB_AUTH", "env:word")
    assert read() == {"env": "word"}
    assert read(auth="ann:opener") == {"ann": "opener"}


@pytest.mark.parametrize("wrong", ["ann", "ann:", ":opener", ""])
def test_what_is_no_password_leaves_no_door_open(
    command: Callable[..., tuple[int, str, str]], hosts: list[Opened], tmp_path: Path, wrong: str
) -> None:
    (tmp_path / "users").write_text(wrong)
    flags = [("--auth-file", "users"), ("--auth-file", "nowhere"), *([("--auth", wrong)] if wrong else [])]
    for flag, value in flags:
        code, _, err = command("ui", "--listen", flag, value)
        assert code == 2
        assert f"{flag}: " in err
        assert "opener" not in err, "a password is not shown"
    assert not hosts


@pytest.mark.slow
def test_whoever_listens_is_shown_a_token_without_which_nothing_is_answered(tmp_path: Path) -> None:
    port = free_port()
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    environment.pop("TI_LAB_AUTH", None)
    with subprocess.Popen(
        [sys.executable, ROOT / "tests" / "cli" / "toy_line.py", "ui", "--listen", "--no-browser", "--port", str(port)],
        cwd=tmp_path, env=environment, stdout=subprocess.PIPE, text=True,
    ) as process:  # fmt: skip
        try:
            assert process.stdout
            shown = next(line for line in process.stdout if line.startswith("TI Lab: "))
            address, _, token = shown.split()[-1].partition("?token=")
            assert len(token) >= 32
            with pytest.raises(urllib.error.HTTPError, match="401"):
                urllib.request.urlopen(f"{address}ti-lab/v1/model", timeout=60)
            known = urllib.request.Request(f"{address}ti-lab/v1/model", headers={"Authorization": f"Bearer {token}"})
            with urllib.request.urlopen(known, timeout=60) as answer:
                assert json.load(answer)["family"] == "sd1"
        finally:
            process.terminate()
