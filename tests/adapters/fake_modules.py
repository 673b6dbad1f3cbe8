"""Stand-ins for a WebUI's modules, for the time of a test."""

import sys
from collections.abc import Mapping
from types import ModuleType
from typing import Any

import pytest


def put_modules(monkeypatch: pytest.MonkeyPatch, package: str, parts: Mapping[str, Mapping[str, Any]]) -> ModuleType:
    """`package`, with a module for each of `parts`, which hold names and their values."""
    parent = ModuleType(package)
    monkeypatch.setitem(sys.modules, package, parent)
    for name, content in parts.items():
        module = ModuleType(f"{package}.{name}")
        vars(module).update(content)
        setattr(parent, name, module)
        monkeypatch.setitem(sys.modules, f"{package}.{name}", module)
    return parent
