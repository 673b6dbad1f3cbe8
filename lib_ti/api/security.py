"""Who may ask, by which names, and which folders they may touch.

A stranger's web page can make its own name mean this machine, and would then reach whatever answers here as if it came from
here; but its browser tells that name.
"""

from __future__ import annotations

import os
import secrets
from collections.abc import Callable, Collection, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from ipaddress import ip_address
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from fastapi import Depends, HTTPException
from fastapi.security import HTTPBasic, HTTPBasicCredentials
from starlette.middleware import Middleware

_BASIC: Any = Depends(HTTPBasic())


@dataclass(frozen=True)
class Access:
    """`credentials`: password by user, none for an open API. `pictures`: folders of training pictures, besides the embeddings
    and the logs. `defaults`: settings by the training's dotted paths, where the user wants others than ours."""

    credentials: Mapping[str, str] = field(default_factory=dict)
    pictures: tuple[Path, ...] = ()
    defaults: Mapping[str, Any] = field(default_factory=dict)


def password_check(credentials: Mapping[str, str]) -> Callable[..., None]:
    """A FastAPI dependency that raises 401 but for these users; HTTP Basic, as WebUIs' own API has it."""
    pairs = [(user.encode(), password.encode()) for user, password in credentials.items()]

    def check(given: HTTPBasicCredentials = _BASIC) -> None:
        user, password = given.username.encode(), given.password.encode()
        # All pairs in full, so that the time taken tells nothing.
        same = [secrets.compare_digest(user, u) & secrets.compare_digest(password, p) for u, p in pairs]
        if not any(same):
            raise HTTPException(401, "Incorrect username or password", {"WWW-Authenticate": "Basic"})

    return check


def find_inside(given: str | Path, roots: Iterable[Path]) -> Path | None:
    """`given`, absolute or relative to one of `roots`, where it lies under one of them both by its name and by where links
    lead; it need not exist, but a root in which it does comes first. None for what lies elsewhere."""
    places = [Path(os.path.abspath(root)) for root in roots]  # noqa: PTH100 - resolve() would follow links
    found = [place for root in places if (place := _inside(given, root, places))]
    return next((place for place in found if os.path.lexists(place)), found[0] if found else None)


def _inside(given: str | Path, root: Path, roots: list[Path]) -> Path | None:
    try:
        # By name first: on Windows the mere look at \\server\share would sign on to a stranger's machine.
        place = Path(os.path.normpath(root / given))
        if not place.is_relative_to(root):
            return None
        real = Path(os.path.realpath(place))
        with suppress(FileNotFoundError):
            os.lstat(place)
    except (OSError, ValueError):  # what can be no path: too long, under a file, with a zero byte or half a character
        return None
    return place if any(real.is_relative_to(os.path.realpath(other)) for other in roots) else None


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


def host_guard(bound: str, allowed: Collection[str] = ()) -> Middleware:
    """For a server that is `bound` to that address, and may be asked by the names `allowed` besides the machine's own."""
    return Middleware(HostGuard, bound, allowed)


class HostGuard:
    """Goes around an ASGI server."""

    def __init__(self, app: Any, bound: str, allowed: Collection[str] = ()) -> None:
        self.app, self.bound, self.allowed = app, bound, allowed

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        header = dict(scope.get("headers", ())).get(b"host", b"").decode("latin-1")
        if scope["type"] == "lifespan" or may_be_asked_as(header, self.bound, self.allowed):
            await self.app(scope, receive, send)
            return
        text = f"This page does not go by the name {header!r}. If that is your proxy's, start with --allow-host NAME."
        await send({"type": "http.response.start", "status": 403, "headers": [(b"content-type", b"text/plain")]})
        await send({"type": "http.response.body", "body": text.encode()})
