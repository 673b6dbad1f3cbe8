"""A visitor loses, where a page of the web reads or writes through the visitor's browser; and where the tab is kept out of itself.

A real chromium opens `ui`'s page, and then an evil one: from another port of this machine, and from another name.
"""

from __future__ import annotations

import http.server
import threading
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from lib_ti.api.gate import Gate, Keys
from lib_ti.api.routes import build_server
from lib_ti.api.security import Access
from lib_ti.app import App
from lib_ti.config.embeddings import CreateConfig
from lib_ti.ui import compat
from lib_ti.ui.serve import serving
from tests.api.test_gate import free_port
from tests.toy_host import ToyHost

if TYPE_CHECKING:
    from playwright.sync_api import Browser, BrowserContext, Page

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(compat.MAJOR < 6, reason="the page by itself is made for a current gradio"),
]
WAIT = 60_000

EVIL_PAGE = """<!doctype html><title>evil</title><script>
const seen = {};
const target = TARGET;
const quiet = async (name, work) => { try { seen[name] = await work(); } catch (error) { seen[name] = "kept out"; } };
const json = {"content-type": "application/json"};
const made = JSON.stringify({name: "evil", init: "cat"});
const api = target + "ti-lab/v1/";
const element = (tag, source) => new Promise(done => {
  const one = document.createElement(tag);
  one.onload = () => done("loaded " + (one.naturalWidth ?? ""));
  one.onerror = () => done("kept out");
  one[tag === "link" ? "href" : "src"] = source;
  if (tag === "link") one.rel = "stylesheet";
  document.body.append(one);
});
const read = (path, options) => async () => (await (await fetch(target + path, options)).text()).slice(0, 200);
const blind = (path, options) => async () => { await fetch(target + path, {mode: "no-cors", ...options}); return "kept out"; };
async function attack() {
  for (const credentials of ["omit", "include"]) {
    for (const path of ["", "config", "ti-lab/v1/library", "ti-lab/v1/train/status", "gradio_api/info", "openapi.json"])
      await quiet("fetch " + path + credentials, read(path, {credentials}));
    await quiet("create " + credentials, read("ti-lab/v1/create", {method: "POST", headers: json, body: made, credentials}));
    for (const type of ["text/plain", "application/x-www-form-urlencoded", "application/json"])
      for (const path of ["ti-lab/v1/create", "gradio_api/queue/join", "gradio_api/run/x", "gradio_api/reset", "login"])
        await quiet("blind " + path + type + credentials,
          blind(path, {method: "POST", headers: {"content-type": type}, body: made, credentials}));
    const form = new FormData();
    form.append("files", new Blob(["evil"]), "evil.html");
    await quiet("upload " + credentials, read("gradio_api/upload", {method: "POST", body: form, credentials}));
    await quiet("blind upload " + credentials, blind("gradio_api/upload", {method: "POST", body: form, credentials}));
  }
  navigator.sendBeacon(api + "create", made);
  for (const [tag, path] of [["img", "ti-lab/v1/library/thumbnail?file=star.safetensors"], ["script", "theme.css"],
      ["script", "config"], ["link", "theme.css"], ["img", "static/img/logo.svg"]])
    seen[tag + path] = await element(tag, target + path);
  seen.events = await new Promise(done => {
    const source = new EventSource(target + "gradio_api/heartbeat/x", {withCredentials: true});
    source.onopen = source.onmessage = () => done("opened");
    source.onerror = () => done("kept out");
  });
  for (const path of ["queue/join", "gradio_api/queue/join"])
    seen["socket " + path] = await new Promise(done => {
      const wire = new WebSocket(target.replace("http", "ws") + path);
      wire.onopen = () => done("opened");
      wire.onerror = () => done("kept out");
    });
  const frame = document.createElement("iframe");
  frame.name = "frame";
  document.body.append(frame);
  const form = document.createElement("form");
  Object.assign(form, {method: "post", action: api + "create", enctype: "text/plain", target: "frame"});
  form.innerHTML = '<input name=\\'{"name": "evil", "init": "\\' value=\\'cat"}\\'>';
  document.body.append(form);
  form.submit();
  await new Promise(done => setTimeout(done, 1000));
  frame.src = target;
  await new Promise(done => setTimeout(done, 1000));
  seen.frame = frame.contentDocument ? "opened" : "kept out";
  return seen;
}
</script><body></body>"""


class Watched(Gate):
    """Keeps what was let through."""

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self.app, self.inner, self.passed = self._note, self.app, list[tuple[str, str]]()

    async def _note(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "http":
            self.passed.append((scope["method"], scope["path"]))
        await self.inner(scope, receive, send)


class Lab:
    def __init__(self, port: int, host: ToyHost, keys: Keys) -> None:
        self.port, self.host, self.keys = port, host, keys
        self.gate: Watched

    def address(self, name: str = "127.0.0.1") -> str:
        return f"http://{name}:{self.port}/"


KINDS = {"alone": Keys(), "token": Keys(token="the-token"), "password": Keys({"ann": "opener"})}


@pytest.fixture(params=KINDS)
def lab(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Lab]:
    keys, host, port = KINDS[request.param], ToyHost(tmp_path), free_port()
    host.embeddings_folder().mkdir()
    host.log_folder().mkdir()
    app, found = App(host), Lab(port, host, keys)
    app.create(CreateConfig("star", init="cat"))
    bound = "0.0.0.0" if request.param != "alone" else "127.0.0.1"

    def around(page: Any) -> Watched:
        found.gate = Watched(page, bound, (), keys)
        return found.gate

    with serving(app, build_server(app, Access()), around, bound, port):
        yield found


@pytest.fixture
def visitor(browser: Browser, lab: Lab) -> Iterator[BrowserContext]:
    known = {"username": "ann", "password": "opener"} if lab.keys.users else None
    context = browser.new_context(http_credentials=known)  # type: ignore[arg-type]
    context.set_default_timeout(WAIT)
    yield context
    context.close()


@pytest.fixture
def evil(lab: Lab, tmp_path: Path) -> Iterator[Any]:
    """evil("127.0.0.1") -> the address of a page that attacks the lab by that name of it."""
    folder = tmp_path / "evil"
    folder.mkdir()
    handler = partial(http.server.SimpleHTTPRequestHandler, directory=str(folder))
    handler.log_message = lambda *_: None  # type: ignore[attr-defined]
    server = http.server.ThreadingHTTPServer(("0.0.0.0", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()

    def page(target: str) -> str:
        (folder / "index.html").write_text(EVIL_PAGE.replace("TARGET", repr(target)))
        return f"http://127.0.0.1:{server.server_port}/index.html"

    yield page
    server.shutdown()


def open_tab(visitor: BrowserContext, lab: Lab, name: str = "127.0.0.1") -> Page:
    page = visitor.new_page()
    page.goto(lab.address(name) + ("?token=the-token" if lab.keys.token else ""), wait_until="domcontentloaded")
    page.wait_for_selector("#ti_lab_pulse [data-tick]:not([data-tick=''])", state="attached")
    return page


@pytest.mark.parametrize("name", ["127.0.0.1", "localhost"])
def test_another_page_reads_nothing_and_writes_nothing(visitor: BrowserContext, lab: Lab, evil: Any, name: str) -> None:
    """Of another port or of another name of this machine, while the visitor has the tab open, signed in."""
    tab = open_tab(visitor, lab, name)
    tab.goto("about:blank")  # it asks for news every second, which would be taken for the evil page's
    before = len(lab.gate.passed)
    page = visitor.new_page()
    page.goto(evil(lab.address(name)))
    seen = page.evaluate("attack()")
    assert len(seen) > 40
    assert {name: what for name, what in seen.items() if what != "kept out"} == {}
    assert [one for one in lab.gate.passed[before:] if "heartbeat" not in one[1]] == []
    assert [path.name for path in lab.host.embeddings_folder().iterdir()] == ["star.safetensors"]


def test_the_tab_itself_works(visitor: BrowserContext, lab: Lab) -> None:
    """It is opened by what `ui` prints; a button answers, and a page of ours may ask the API."""
    page = open_tab(visitor, lab)
    errors: list[str] = []
    page.on("pageerror", lambda error: errors.append(str(error)))
    assert "token" not in page.url
    page.locator("#ti_lab_root [role=tab]", has_text="Create").last.click()
    page.fill("#ti_lab_create_name :is(input, textarea)", "moon")
    page.fill("#ti_lab_create_init :is(input, textarea)", "round")
    page.click("button#ti_lab_create:not([disabled])")
    page.wait_for_function(
        "async () => (await (await fetch('/ti-lab/v1/library?filter=moon')).json()).embeddings?.length === 1"
    )
    made = page.evaluate(
        """async () => (await fetch("/ti-lab/v1/create", {method: "POST", headers: {"content-type": "application/json"},
        body: JSON.stringify({name: "sun", init: "round"})})).status"""
    )
    assert made == 201
    assert errors == []


def test_a_visitor_without_the_key_sees_nothing(browser: Browser, lab: Lab) -> None:
    if lab.keys == Keys():
        pytest.skip("open to this machine")
    context = browser.new_context()
    page = context.new_page()
    answer = page.goto(lab.address()) if lab.keys.token else None
    assert answer is None or answer.status == 401
    if lab.keys.token:
        page.fill("input[name=token]", "wrong")
        page.click("button")
        page.fill("input[name=token]", "the-token")
        page.click("button")
        page.wait_for_selector("#ti_lab_root", state="attached", timeout=WAIT)
    context.close()
