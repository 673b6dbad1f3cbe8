"""Figures are drawn in one thread. For each thread that draws, matplotlib opens its fonts once more and keeps them open, so that a
server, whose jobs and requests are threads, would hold ever more files; nor is it made for two that draw at once."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import wraps
from typing import ParamSpec, TypeVar

Given = ParamSpec("Given")
Drawn = TypeVar("Drawn")

_thread = ThreadPoolExecutor(1, "figures")


def in_one_thread(draw: Callable[Given, Drawn]) -> Callable[Given, Drawn]:
    """`draw`, which must call no other such function: it would wait for itself."""

    @wraps(draw)
    def apart(*given: Given.args, **named: Given.kwargs) -> Drawn:
        return _thread.submit(draw, *given, **named).result()

    return apart
