"""A function of the WebUI with ours around it."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any


class Hook:
    """Calls of `owner.name` go to `around(original, …)` instead, while installed.

    Where another extension has put its own function around ours meanwhile, ours stays and only passes on, and `install`
    wakes it there: however often the WebUI builds its page anew, there is one.
    """

    def __init__(self, owner: Any, name: str) -> None:
        self._owner, self._name = owner, name
        self._around: Callable[..., Any] | None = None
        self._original: Any = None
        self._ours: Any = None

    def install(self, around: Callable[..., Any]) -> None:
        self._around = around
        if self._ours is not None:
            return
        original = self._original = getattr(self._owner, self._name)

        @wraps(original)
        def ours(*args: Any, **kwargs: Any) -> Any:
            around = self._around
            return around(original, *args, **kwargs) if around else original(*args, **kwargs)

        self._ours = ours
        setattr(self._owner, self._name, ours)

    def remove(self) -> bool:
        """Whether the function is gone, and not only asleep."""
        self._around = None
        if self._ours is not None and getattr(self._owner, self._name) is self._ours:
            setattr(self._owner, self._name, self._original)
            self._ours = None
        return self._ours is None
