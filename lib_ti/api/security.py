"""Who may ask, and which folders they may touch."""

from __future__ import annotations

import os
import secrets
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from fastapi import Depends, HTTPException, Request
from fastapi.security import HTTPBasic, HTTPBasicCredentials

_BASIC: Any = Depends(HTTPBasic())
_PORTS = {"http": 80, "https": 443}


@dataclass(frozen=True)
class Access:
    """`credentials`: password by user, none for an open API. `pictures`: folders of training pictures, besides the embeddings
    and the logs. `defaults`: settings by the training's dotted paths, where the user wants others than ours. `logs`: folders for
    the logs of runs, where requests can change which the host has; else the host's is taken. `hint`: how to name more folders. `pages`: whether other pages than the server's own, by their origin, may ask through a
    browser; none to leave that to whoever is in front.
    """

    credentials: Mapping[str, str] = field(default_factory=dict)
    pictures: tuple[Path, ...] = ()
    defaults: Mapping[str, Any] = field(default_factory=dict)
    logs: tuple[Path, ...] = ()
    hint: str = ""
    pages: Callable[[str], bool] | None = None


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


def page_check(allowed: Callable[[str], bool]) -> Callable[..., None]:
    """A FastAPI dependency that raises 403 where another page than the server's own asks through its visitor's browser, but for
    those whose origin is `allowed`."""

    def check(request: Request) -> None:
        origin = request.headers.get("origin")
        foreign = request.headers.get("sec-fetch-site", "none") in ("cross-site", "same-site")
        if origin is not None:
            foreign = not is_same_origin(origin, request.headers.get("host", "")) and not allowed(origin)
        if foreign:
            raise HTTPException(403, f"The page {origin or 'that asks'} may not: it is no page of this server.")

    return check


def is_same_origin(origin: str, host: str) -> bool:
    """Whether the page of `origin` (scheme://name:port) came from the server that is asked as `host` (name:port)."""
    try:
        theirs, ours = urlsplit(origin), urlsplit(f"//{host}")
        usual = _PORTS.get(theirs.scheme)
        return bool(theirs.hostname) and (theirs.hostname, theirs.port or usual) == (ours.hostname, ours.port or usual)
    except ValueError:
        return False


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
