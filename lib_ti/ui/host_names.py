"""By which names the tab may be asked for. A stranger's web page can make its own name mean this machine, and would then reach
whatever answers here as if it came from here; but its browser tells that name."""

from __future__ import annotations

from collections.abc import Collection
from ipaddress import ip_address
from typing import Any
from urllib.parse import urlsplit

OWN = ("localhost", "127.0.0.1", "::1")
EVERYWHERE = ("0.0.0.0", "::")


def may_be_asked_as(header: str, bound: str, allowed: Collection[str] = ()) -> bool:
    """`header` is what the browser tells in Host. Where the server is `bound` to all addresses of the machine, so may any address
    and any name that strangers cannot own; `allowed` are names besides."""
    try:
        name = (urlsplit(f"//{header}").hostname or "").rstrip(".")
    except ValueError:
        return False
    if name in (*OWN, bound, *(one.lower() for one in allowed)):
        return True
    return bound in EVERYWHERE and bool(name) and (_is_address(name) or "." not in name or name.endswith(".local"))


def _is_address(name: str) -> bool:
    try:
        ip_address(name)
    except ValueError:
        return False
    return True


class HostGuard:
    """Goes around an ASGI server."""

    def __init__(self, app: Any, bound: str, allowed: Collection[str] = ()) -> None:
        self.app, self.bound, self.allowed = app, bound, allowed

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        header = dict(scope.get("headers", ())).get(b"host", b"").decode("latin-1")
        if scope["type"] == "lifespan" or may_be_asked_as(header, self.bound, self.allowed):
            await self.app(scope, receive, send)
            return
        told = f"This page does not go by the name {header!r}. If that is your proxy's, start with --allow-host NAME."
        await send({"type": "http.response.start", "status": 403, "headers": [(b"content-type", b"text/plain")]})
        await send({"type": "http.response.body", "body": told.encode()})
