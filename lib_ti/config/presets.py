"""Sets of training settings that go together, by name. What is given beside a preset goes over it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

AUTOMATIC: Mapping[str, Any] = {
    "embedding.vectors": 8,
    "data.template": "subject",
    "optim.name": "normalised",
    "optim.lr": "0.6r cosine:125, 0.36r cosine:187, 0.36r cosine:249",
    "optim.steps": 249,
    "optim.length": "cap",
    "measure.best": True,
    "measure.end": True,
    "preview.every": 62,
    "preview.prompt": "a photo of a [name]",
    "save.every": 62,
}
"""Measured: docs/training.md has the table. The rate is relative to words, so that it fits every family and encoder; each cosine
is a stage that the run may end with; a step is one picture, for many small steps learn more from equal pictures than a few large
ones do."""

PRESETS: Mapping[str, Mapping[str, Any]] = {"a1111": {}, "automatic": AUTOMATIC}
"""Nothing of `a1111`: the settings' own defaults are the built-in trainer's."""


def preset_values(name: Any) -> Mapping[str, Any]:
    """Of preset `name`, by dotted path; nothing of one that there is not, which is told where the choice is validated."""
    return PRESETS.get(str(name), {})


def whole_preset(name: str, defaults: Mapping[str, Any]) -> dict[str, Any]:
    """Every setting that any preset changes, as preset `name` has it; where it has none, as in `defaults`."""
    touched = {path for preset in PRESETS.values() for path in preset}
    return {path: PRESETS[name].get(path, defaults[path]) for path in sorted(touched)}
