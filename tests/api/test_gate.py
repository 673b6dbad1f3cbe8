"""Everyone loses, where a stranger, or a web page of one, can use the tab as if it were the user's; or a user who is kept out of it.

A real server is asked over sockets here: the page of gradio, its files and routes, our API and /docs behind one gate. A real
browser tries the same in `test_browser_gate.py`.
"""

from __future__ import annotations

import base64
import http.client
import socket
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from lib_ti.api import gate
from lib_ti.api.gate import Gate, Keys, may_be_asked_as
from lib_ti.api.routes import PREFIX, build_server
from lib_ti.api.security import Access, is_same_origin
from lib_ti.app import App
from lib_ti.errors import TIError
from lib_ti.ui import compat, serve
from lib_ti.ui.serve import serving
from tests.toy_host import ToyHost

LOOPBACK, ALL = "127.0.0.1", "0.0.0.0"
PATHS = ("/", "/config", "/docs", "/openapi.json", f"{PREFIX}/model", f"{PREFIX}/library", "/theme.css", "/nowhere")
PATHS += (
    "/gradio_api/info",
    "/gradio_api/app_id",
    "/gradio_api/startup-events",
    "/gradio_api/heartbeat/x",
    "/svelte/x.js",
)
PATHS += (
    "/gradio_api/file=/etc/passwd",
    "/gradio_api/queue/data?session_hash=x",
    "/static/img/logo.svg",
    "/assets/x.js",
)
POSTS = (
    f"{PREFIX}/create",
    "/gradio_api/queue/join",
    "/gradio_api/run/predict",
    "/gradio_api/upload",
    "/gradio_api/reset",
)
POSTS += ("/login", "/gradio_api/component_server", "/gradio_api/process_recording", "/gradio_api/cancel")
EVIL = {"Origin": "https://evil.example"}

own_gradio = pytest.mark.skipif(compat.MAJOR < 6, reason="the page by itself is made for a current gradio")
pytestmark = own_gradio


class Served:
    """Asks the server on `port` and tells status, headers and body."""

    def __init__(self, port: int, host: ToyHost) -> None:
        self.port, self.host = port, host

    def ask(
        self, path: str, headers: Mapping[str, str] | None = None, method: str = "GET", body: bytes | None = None
    ) -> tuple[int, dict[str, str], bytes]:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        connection.request(method, path, body, dict(headers or {}))
        answer = connection.getresponse()
        told = {name.lower(): text for name, text in answer.getheaders()}
        # A stream of events has no end.
        text = b"" if "event-stream" in told.get("content-type", "") else answer.read()
        connection.close()
        return answer.status, told, text

    def send(self, *parts: bytes) -> bytes:
        """Raw bytes; what is answered until the server hangs up."""
        with socket.create_connection(("127.0.0.1", self.port), 60) as wire:
            try:
                for part in parts:
                    wire.sendall(part)
            except OSError:
                pass  # it hung up already; what it said is there still
            answer = b""
            try:
                while more := wire.recv(65536):
                    answer += more
            except ConnectionResetError:
                pass
            return answer


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def open_server(folder: Path, bound: str = LOOPBACK, keys: Keys | None = None) -> Iterator[Served]:
    host, port = ToyHost(folder), free_port()
    host.embeddings_folder().mkdir()
    host.log_folder().mkdir()
    app = App(host)
    with serving(
        app, build_server(app, Access()), lambda page: Gate(page, bound, ["lab.example"], keys), LOOPBACK, port
    ):
        yield Served(port, host)


@pytest.fixture(scope="module")
def alone(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """As `ui` serves for this machine alone."""
    yield from open_server(tmp_path_factory.mktemp("alone"))


@pytest.fixture(scope="module")
def listening(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """As `ui --listen` does, with its token."""
    yield from open_server(tmp_path_factory.mktemp("listening"), ALL, Keys(token="the-token"))


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """As `ui --listen --auth ann:opener` does; another user is in a file."""
    yield from open_server(
        tmp_path_factory.mktemp("guarded"), ALL, Keys({"ann": "opener", "bob": "mot:de passe é"}, token="")
    )


BEARER = {"Authorization": "Bearer the-token"}


def basic(text: str) -> dict[str, str]:
    return {"Authorization": "Basic " + base64.b64encode(text.encode()).decode()}


# Names


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


@pytest.mark.parametrize(
    ("origin", "host", "same"),
    [
        ("http://127.0.0.1:7861", "127.0.0.1:7861", True),
        ("http://LAB.example", "lab.example:80", True),
        ("https://lab.example", "lab.example", True),
        ("https://[::1]:7861", "[::1]:7861", True),
        ("http://127.0.0.1:7860", "127.0.0.1:7861", False),
        ("http://127.0.0.1", "127.0.0.1:7861", False),
        ("http://localhost:7861", "127.0.0.1:7861", False),
        ("null", "127.0.0.1:7861", False),
        ("", "", False),
        ("http://", "", False),
        ("http://127.0.0.1:7861x", "127.0.0.1:7861x", False),
        ("http://[", "[", False),
        ("file://", "127.0.0.1:7861", False),
    ],
)
def test_another_port_or_name_is_another_origin(origin: str, host: str, same: bool) -> None:
    assert is_same_origin(origin, host) is same


# Other pages


@pytest.mark.parametrize("path", PATHS)
def test_a_name_that_was_made_to_mean_this_machine_reads_nothing(alone: Served, listening: Served, path: str) -> None:
    for served in (alone, listening):
        status, _, body = served.ask(path, {"Host": f"evil.example:{served.port}", **BEARER})
        assert status == 403
        assert b"--allow-host" in body


FOREIGN = [
    {"Origin": "https://evil.example"},
    {"Origin": "http://127.0.0.1:1"},
    {"Origin": "http://localhost:1"},
    {"Origin": "null"},
    {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "no-cors", "Sec-Fetch-Dest": "image"},
    {"Sec-Fetch-Site": "same-site", "Sec-Fetch-Mode": "no-cors", "Sec-Fetch-Dest": "script"},
    {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "iframe"},
]


@pytest.mark.parametrize("path", PATHS)
def test_another_page_reads_nothing_even_with_the_users_key(alone: Served, listening: Served, path: str) -> None:
    for served in (alone, listening):
        for headers in FOREIGN:
            status, told, _ = served.ask(path, {**headers, **BEARER})
            assert status == 403, headers
            assert not [name for name in told if name.startswith("access-control-")]


@pytest.mark.parametrize("path", POSTS)
@pytest.mark.parametrize("kind", ["application/json", "text/plain", "application/x-www-form-urlencoded"])
def test_another_page_writes_nothing_even_with_the_users_key(
    alone: Served, listening: Served, path: str, kind: str
) -> None:
    for served in (alone, listening):
        for headers in FOREIGN:
            body = b'{"name": "evil", "init": "cat"}'
            assert served.ask(path, {**headers, **BEARER, "Content-Type": kind}, "POST", body)[0] == 403
        assert not list(served.host.embeddings_folder().iterdir())


def test_a_browser_that_asks_whether_it_may_is_not_told_yes(alone: Served, listening: Served) -> None:
    wish = {**EVIL, "Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "content-type"}
    for served in (alone, listening):
        for path in (*PATHS, *POSTS):
            status, told, _ = served.ask(path, wish, "OPTIONS")
            assert status == 403
            assert not [name for name in told if name.startswith("access-control-")]


def test_no_other_page_may_draw_run_or_frame_what_is_answered(alone: Served) -> None:
    """Where a browser does not tell who asks, as of pictures and scripts on a network without https."""
    for path in ("/", f"{PREFIX}/library", "/nowhere"):
        _, told, _ = alone.ask(path)
        assert told["cross-origin-resource-policy"] == "same-origin"
        assert told["x-frame-options"] == "SAMEORIGIN"


def test_a_link_on_another_page_opens_the_tab(alone: Served) -> None:
    link = {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "document"}
    assert alone.ask("/", link)[0] == 200
    assert alone.ask("/", link, "POST", b"")[0] == 403
    assert alone.ask("/gradio_api/file=x", link)[0] == 403


def test_our_own_page_is_not_kept_out(alone: Served) -> None:
    own = {"Origin": f"http://127.0.0.1:{alone.port}", "Sec-Fetch-Site": "same-origin", "Sec-Fetch-Mode": "cors"}
    assert alone.ask("/config", own)[0] == 200
    made = alone.ask(
        f"{PREFIX}/merge/check", {**own, "Content-Type": "application/json"}, "POST", b'{"expression": "\'cat\'"}'
    )
    assert made[0] == 200, made


def test_a_proxys_page_is_let_in_by_the_name_it_was_given(alone: Served) -> None:
    for host in ("lab.example", f"127.0.0.1:{alone.port}"):  # as a proxy hands the name on, or does not
        assert alone.ask("/config", {"Host": host, "Origin": "https://lab.example"})[0] == 200
    assert alone.ask("/config", {"Origin": "https://lab.example:8443"})[0] == 403


# Strangers in the network


@pytest.mark.parametrize("path", PATHS)
def test_without_the_token_nothing_is_answered(listening: Served, path: str) -> None:
    for headers in ({}, {"Authorization": "Bearer wrong"}, {"Cookie": "ti-lab=the-token"}, basic(":the-token")):
        assert listening.ask(path, headers)[0] == 401, headers
    assert listening.ask(path + "?token=wrong")[0] == 401


@pytest.mark.parametrize("path", PATHS)
def test_without_the_password_nothing_is_answered(guarded: Served, path: str) -> None:
    wrong = ("ann:wrong", "ann:", ":opener", "opener", "eve:opener", "bob:opener")
    for headers in ({}, {"Authorization": "Basic !"}, {"Authorization": "Bearer "}, *map(basic, wrong)):
        status, told, _ = guarded.ask(path, headers)
        assert status == 401, headers
        assert told["www-authenticate"].startswith("Basic")
    assert guarded.ask(path + "?token=")[0] == 401


def test_whoever_has_the_password_is_let_in(guarded: Served) -> None:
    for user in ("ann:opener", "bob:mot:de passe é"):
        for path in ("/", "/config", f"{PREFIX}/model"):
            assert guarded.ask(path, basic(user))[0] == 200


def test_the_address_that_is_shown_opens_the_page_and_its_token_goes_no_further(listening: Served) -> None:
    status, told, body = listening.ask("/?token=the-token&__theme=dark")
    assert status == 200
    assert b"url=/?__theme=dark" in body
    cookie = told["set-cookie"]
    assert "HttpOnly" in cookie
    assert "samesite=strict" in cookie.lower()
    assert "the-token" not in cookie + body.decode()
    key = {"Cookie": f'other={{"a": 1}}; {cookie.partition(";")[0]}'}
    for path in ("/", "/config", f"{PREFIX}/model"):
        assert listening.ask(path, key)[0] == 200
    assert listening.ask(f"{PREFIX}/model", BEARER)[0] == 200


def test_the_token_leads_to_no_other_server(listening: Served) -> None:
    _, _, body = listening.ask("//evil.example/?token=the-token")
    assert b"url=/evil.example" in body
    assert b"<script" not in listening.ask("/%22%3E%3Cscript%3E?token=the-token")[2]


def test_a_refusal_of_the_api_has_the_form_of_all_refusals(listening: Served) -> None:
    import json

    told = json.loads(listening.ask(f"{PREFIX}/model")[2])
    assert told["error"] == "NoToken"
    assert "Bearer" in told["hint"]


# Bodies


@pytest.mark.parametrize(
    "path", ["/gradio_api/upload", "/gradio_api/component_server", "/gradio_api/process_recording"]
)
def test_files_cannot_be_uploaded(alone: Served, path: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    body = b'--x\r\nContent-Disposition: form-data; name="files"; filename="a.html"\r\n\r\nevil\r\n--x--\r\n'
    status, _, told = alone.ask(path, {"Content-Type": "multipart/form-data; boundary=x"}, "POST", body)
    assert status == 415
    assert b"uploaded" in told


def test_a_body_without_end_is_not_read_into_memory(alone: Served, listening: Served) -> None:
    head = f"POST /gradio_api/queue/join HTTP/1.1\r\nHost: 127.0.0.1:{alone.port}\r\nContent-Type: application/json\r\n"
    told = alone.send(f"{head}Content-Length: 300000000\r\n\r\n".encode())
    assert told.startswith(b"HTTP/1.1 413")
    chunk = b"10000\r\n" + b" " * 0x10000 + b"\r\n"
    told = alone.send(
        f"{head}Transfer-Encoding: chunked\r\n\r\n".encode(), *[chunk] * (2 * gate.LARGEST_BODY // 0x10000)
    )
    assert told.startswith(b"HTTP/1.1 413") or told == b"", "it hung up on who went on sending"
    told = listening.send(f"{head}Content-Length: 1000\r\n\r\n".encode())
    assert told.startswith(b"HTTP/1.1 401"), "of a stranger's nothing is read"


def test_the_largest_form_gets_through(alone: Served) -> None:
    body = b'{"expression": "\'cat\'"' + b" " * (gate.LARGEST_BODY - 30) + b"}"
    assert alone.ask(f"{PREFIX}/merge/check", {"Content-Type": "application/json"}, "POST", body)[0] == 200


def test_half_a_request_does_not_wait_for_ever(alone: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gate, "PATIENCE", 0.5)
    monkeypatch.setattr(serve, "PATIENCE", 0.5)
    head = f"POST {PREFIX}/create HTTP/1.1\r\nHost: 127.0.0.1:{alone.port}\r\nContent-Type: application/json\r\n"
    assert alone.send(f"{head}Content-Length: 10\r\n\r\n{{".encode()).startswith(b"HTTP/1.1 408")
    assert alone.send(b"") == b"", "who connects and does not ask"
    assert alone.send(b"GET / HT") == b""
    whole = f"GET {PREFIX}/model HTTP/1.1\r\nHost: 127.0.0.1:{alone.port}\r\n\r\n".encode()
    told = alone.send(whole + b"GET / HTTP/1.1\r\nHost: x\r\n")
    assert told.count(b"HTTP/1.1") == 1, "nor the second request of a connection"


def test_an_answer_that_takes_long_is_waited_for(alone: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(serve, "PATIENCE", 0.2)
    monkeypatch.setattr(type(alone.host), "model", lambda self: time.sleep(1) or original(self), raising=True)
    assert alone.ask(f"{PREFIX}/model")[0] == 200


original = ToyHost.model


def test_a_websocket_is_refused(alone: Served) -> None:
    upgrade = {"Upgrade": "websocket", "Connection": "Upgrade", "Sec-WebSocket-Version": "13"}
    upgrade |= {"Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ=="}
    for path in ("/queue/join", "/gradio_api/queue/join", "/"):
        assert alone.ask(path, {**upgrade, **EVIL})[0] == 403
        assert alone.ask(path, upgrade)[0] != 101


def test_a_taken_port_is_named(tmp_path: Path) -> None:
    app = App(ToyHost(tmp_path))
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with (
            pytest.raises(TIError, match=rf"Port {port} of 127\.0\.0\.1"),
            serving(app, build_server(app, Access()), lambda page: page, port=port),
        ):
            pass
