"""The gate around the whole server of `ui`: the page, its files, gradio's own routes, the API and /docs.

A visitor's browser carries out what any page of the web tells it to, and reaches whatever the visitor reaches. Four rules keep such
pages out, whatever the server behind would answer: the server goes by its own names alone (a stranger can make a name of his mean
this machine, but the browser tells that name); what another page asks for is refused, other ports of this machine included;
answers lend themselves to no other page; and where others of the network are let in, they need a password or a token. Nothing of a
request's body is read before that, and of none more than a form can hold.
"""

from __future__ import annotations

import asyncio
import base64
import secrets
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from html import escape
from ipaddress import ip_address
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit

from starlette.requests import cookie_parser
from starlette.responses import HTMLResponse, PlainTextResponse, Response

from lib_ti.api.refusal import Refusal, refuse
from lib_ti.api.routes import PREFIX
from lib_ti.api.security import is_same_origin

OWN = ("localhost", "127.0.0.1", "::1")
EVERYWHERE = ("0.0.0.0", "::")
PAGES = ("/", "/docs")
"""To these a link on another page may lead."""
LARGEST_BODY = 8 * 2**20
"""Bytes. Forms and requests hold text and numbers; pictures are read from folders."""
PATIENCE = 60.0
"""Seconds in which a body must be there."""
_KEPT_TO_OURSELVES = [
    (b"cross-origin-resource-policy", b"same-origin"),
    (b"cross-origin-opener-policy", b"same-origin"),
    (b"x-frame-options", b"SAMEORIGIN"),
    (b"referrer-policy", b"same-origin"),
]


@dataclass(frozen=True)
class Keys:
    """What opens the gate: `users`, password by user, or a `token`; it stands open where there is neither."""

    users: Mapping[str, str] = field(default_factory=dict)
    token: str = ""


class Gate:
    """Goes around an ASGI server that is `bound` to that address, and may be asked by the names `allowed` besides the machine's
    own: those of proxies, NAME or NAME:PORT as their users' browsers write it."""

    def __init__(self, app: Any, bound: str, allowed: Collection[str] = (), keys: Keys | None = None) -> None:
        self.app, self.bound, self.keys = app, bound, keys or Keys()
        self.allowed = {one.lower() for one in allowed}
        # Of its own for each start, so that two servers on two ports of this machine do not take each other's.
        self._cookie, self._session = f"ti-lab-{secrets.token_hex(4)}", secrets.token_urlsafe(32)

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "http":
            headers = {name.decode("latin-1"): text.decode("latin-1") for name, text in scope["headers"]}
            answer = self._refusal(scope, headers) or self._missing_key(scope, headers)
            if answer is None:
                body = await _read(receive, headers)
                answer = body if isinstance(body, Response) else None
            if answer is None:
                await self.app(scope, _replay(body, receive), _to_nobody_else(send))
            else:
                await answer(scope, receive, _to_nobody_else(send))
        elif scope["type"] == "lifespan":
            await self.app(scope, receive, send)
        else:  # gradio has done without websockets since its version 4
            await send({"type": "websocket.close", "code": 1008})

    def _refusal(self, scope: Any, headers: Mapping[str, str]) -> Response | None:
        host, origin = headers.get("host", ""), headers.get("origin")
        if not may_be_asked_as(host, self.bound, self.allowed):
            hint = "If that is your proxy's, start with --allow-host NAME."
            return _answer(scope, 403, "WrongName", f"This page does not go by the name {host!r}.", hint)
        if self._is_foreign(scope, headers, host, origin):
            who = f"The page {origin}" if origin not in (None, "null") else "Another page"
            return _answer(scope, 403, "ForeignPage", f"{who} may not ask for this: it is no page of this server.")
        if headers.get("content-type", "").strip().lower().startswith("multipart/"):
            return _answer(
                scope, 415, "NoUploads", "Files cannot be uploaded.", "Name a folder of this machine instead."
            )
        return None

    def _is_foreign(self, scope: Any, headers: Mapping[str, str], host: str, origin: str | None) -> bool:
        if origin is not None and not is_same_origin(origin, host):
            name = urlsplit(origin).netloc.lower() if origin != "null" else ""
            return name not in self.allowed  # a proxy may ask by a name other than its users' browsers
        if headers.get("sec-fetch-site", "none") not in ("cross-site", "same-site"):
            return False
        goes_there = headers.get("sec-fetch-mode") == "navigate" and headers.get("sec-fetch-dest") == "document"
        return not (goes_there and scope["method"] == "GET" and scope["path"] in PAGES)

    def _missing_key(self, scope: Any, headers: Mapping[str, str]) -> Response | None:
        """None for who has a key; else a page that asks for one, or that puts the token of the address into a cookie."""
        users, token = self.keys.users, self.keys.token
        if (not users and not token) or self._has_key(headers):
            return None
        if users:
            challenge = {"WWW-Authenticate": 'Basic realm="TI Lab", charset="UTF-8"'}
            return _answer(scope, 401, "WrongPassword", "User or password is wrong.", headers=challenge)
        query = parse_qsl(scope.get("query_string", b"").decode("latin-1"), keep_blank_values=True)
        given = [text for name, text in query if name == "token"]
        if scope["method"] == "GET" and any(_same(text, token) for text in given):
            rest = urlencode([(name, text) for name, text in query if name != "token"])
            return self._welcome("/" + scope["path"].lstrip("/") + (f"?{rest}" if rest else ""))
        if scope["path"] in PAGES:
            return HTMLResponse(_ASK, 401)
        hint = "It stands in the address that the console showed; send it as Authorization: Bearer TOKEN."
        return _answer(scope, 401, "NoToken", "This needs the token.", hint, {"WWW-Authenticate": "Bearer"})

    def _has_key(self, headers: Mapping[str, str]) -> bool:
        kind, _, given = headers.get("authorization", "").partition(" ")
        if self.keys.users:
            # All pairs in full, so that the time taken tells nothing.
            same = [_same(_decoded(given), f"{user}:{password}") for user, password in self.keys.users.items()]
            return any(same) and kind.lower() == "basic"
        if kind.lower() == "bearer":
            return _same(given.strip(), self.keys.token)
        return _same(cookie_parser(headers.get("cookie", "")).get(self._cookie, ""), self._session)

    def _welcome(self, place: str) -> Response:
        """A page that goes on by itself: after a mere redirection, a browser that came by a link of another site would keep a
        strict cookie back."""
        answer = HTMLResponse(f'<meta http-equiv="refresh" content="0;url={escape(place)}">TI Lab')
        answer.set_cookie(self._cookie, self._session, httponly=True, samesite="strict")
        answer.headers["cache-control"] = "no-store"
        return answer


def may_be_asked_as(header: str, bound: str, allowed: Collection[str] = ()) -> bool:
    """`header` is what the browser tells in Host. Where the server is `bound` to all addresses of the machine, so may any address
    and any name that strangers cannot own; `allowed` are names besides, with their port or without."""
    try:
        name = (urlsplit(f"//{header}").hostname or "").rstrip(".")
    except ValueError:
        return False
    if name in (*OWN, bound, *(urlsplit(f"//{one.lower()}").hostname for one in allowed)):
        return True
    return bound in EVERYWHERE and bool(name) and (_is_address(name) or "." not in name or name.endswith(".local"))


async def _read(receive: Any, headers: Mapping[str, str]) -> bytes | Response | None:
    """The whole body, None where the asker has gone, or why it is not taken."""
    close = {"Connection": "close"}
    too_large = PlainTextResponse(f"The body is longer than {LARGEST_BODY} bytes.", 413, close)
    length = headers.get("content-length", "0")
    if not length.isdecimal() or int(length) > LARGEST_BODY:
        return too_large
    body = b""

    async def take() -> bytes | Response | None:
        nonlocal body
        more = True
        while more:
            message = await receive()
            if message["type"] != "http.request":
                return None
            body += message.get("body", b"")
            if len(body) > LARGEST_BODY:
                return too_large
            more = message.get("more_body", False)
        return body

    try:
        return await asyncio.wait_for(take(), PATIENCE)
    except asyncio.TimeoutError:  # Python 3.10 has not yet made it the built-in one
        return PlainTextResponse("The rest of the request did not come.", 408, close)


def _replay(body: bytes | Response | None, receive: Any) -> Any:
    left = [{"type": "http.disconnect"} if body is None else {"type": "http.request", "body": body, "more_body": False}]

    async def again() -> Any:
        return left.pop() if left else await receive()

    return again


def _to_nobody_else(send: Any) -> Any:
    """Answers that no page but our own can read, draw, run or frame."""

    async def sent(message: Any) -> None:
        if message["type"] == "http.response.start":
            ours = {name for name, _ in _KEPT_TO_OURSELVES}
            headers = [
                (name, text)
                for name, text in message.get("headers", ())
                if not name.lower().startswith(b"access-control-") and name.lower() not in ours
            ]
            message = {**message, "headers": [*headers, *_KEPT_TO_OURSELVES]}
        await send(message)

    return sent


def _answer(
    scope: Any, status: int, error: str, detail: str, hint: str = "", headers: Mapping[str, str] | None = None
) -> Response:
    """To programs as the API tells all refusals, to people as text. The rest of the request stays unread."""
    more = {**(headers or {}), "Connection": "close"}
    if scope["path"].startswith(PREFIX):
        return refuse(status, Refusal(error=error, detail=detail, hint=hint), more)
    return PlainTextResponse(f"{detail} {hint}".rstrip(), status, more)


def _same(given: str, secret: str) -> bool:
    return secrets.compare_digest(given.encode(errors="replace"), secret.encode())


def _decoded(basic: str) -> str:
    try:
        return base64.b64decode(basic.strip(), validate=True).decode()
    except ValueError:
        return ""


def _is_address(name: str) -> bool:
    try:
        ip_address(name)
    except ValueError:
        return False
    return True


_ASK = """<!doctype html><html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>TI Lab</title><body style="font: 1rem system-ui; margin: 4rem auto; max-width: 30rem">
<p>This page is opened by the address that the console showed, which ends in a token.</p>
<form><label>Token <input name="token" type="password" autofocus></label> <button>Open</button></form></body></html>"""
