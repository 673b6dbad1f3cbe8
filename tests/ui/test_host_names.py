"""Everyone loses, where a stranger's web page can use the tab as if it were the user's; or a user who is kept out of it."""

import http.client
import sys
from pathlib import Path

import pytest
from tab_server import free_port, serving

from lib_ti.api.security import may_be_asked_as

LOOPBACK, ALL = "127.0.0.1", "0.0.0.0"


@pytest.mark.parametrize("bound", [LOOPBACK, ALL, "::", "192.168.0.7"])
@pytest.mark.parametrize("header", ["localhost:7861", "127.0.0.1:7861", "[::1]:7861", "LOCALHOST", "localhost."])
def test_this_machine_is_never_kept_out(bound: str, header: str) -> None:
    assert may_be_asked_as(header, bound)


@pytest.mark.parametrize("bound", [LOOPBACK, ALL])
@pytest.mark.parametrize(
    "header", ["evil.example", "evil.example:7861", "127.0.0.1.evil.example", "", "[", "a@b.example"]
)
def test_a_strangers_name_is_refused(bound: str, header: str) -> None:
    assert not may_be_asked_as(header, bound)
    assert not may_be_asked_as(header, bound, ["mine.example"])


@pytest.mark.parametrize("header", ["192.168.0.7:7861", "[fe80::1]:7861", "den:7861", "den.local"])
def test_a_network_reaches_what_listens_to_it(header: str) -> None:
    assert may_be_asked_as(header, ALL)
    assert not may_be_asked_as(header, LOOPBACK)


def test_the_address_that_it_was_given_and_a_proxys_name_are_known() -> None:
    assert may_be_asked_as("192.168.0.7:7861", "192.168.0.7")
    assert may_be_asked_as("Lab.Example:443", LOOPBACK, ["lab.example"])


def test_the_page_and_the_api_answer_to_their_own_names_alone(tmp_path: Path) -> None:
    pytest.importorskip("tokenizers")  # a model, for which an environment without torch has no room
    port = free_port()
    command = [sys.executable, "-m", "lib_ti", "ui", "--no-browser", "--port", str(port), "--allow-host", "lab.example"]
    with serving([*command, "--out", str(tmp_path)], port, tmp_path / "log.txt"):
        for name, status in (("localhost", 200), ("lab.example", 200), ("evil.example", 403)):
            for path in ("/", "/config", "/ti-lab/v1/model"):
                connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
                connection.request("GET", path, headers={"Host": f"{name}:{port}"})
                answer = connection.getresponse()
                assert answer.status == status, (name, path)
                assert status == 200 or b"--allow-host" in answer.read()
                connection.close()
