"""All that an exact resume needs, in one file beside each copy: vectors, AdamW's moments, counters and the seed.

The random state is the seed and the counters, since every draw is a function of them. The vectors stand here once more,
so that a file from before a crash is enough by itself. The layout is safetensors: tensors `vectors.ENCODER`,
`moments.N.KEY`, and one JSON record in the metadata. The suffix is one that no host takes for an embedding.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save

from lib_ti.atomic import write_atomically
from lib_ti.errors import InvalidEmbedding

Moments = Mapping[int, Mapping[str, torch.Tensor]]
"""AdamW's state by the encoder's number: `exp_avg`, `exp_avg_sq` [V, D] and `step`."""

SUFFIX = ".state"
_FORMAT = "1"


@dataclass(frozen=True)
class RunState:
    """`vectors`: [V, D] float32 CPU by encoder; `samples`: pictures seen; `run` sorts by the time the run began;
    `began_as`: digest of the vectors that the run began with; `fingerprint`: of the data set;
    `recipe`: what the embedding's own recipe is to keep of how these were made, under the key `start`."""

    step: int
    samples: int
    seed: int
    vectors: Mapping[str, torch.Tensor]
    moments: Moments = field(default_factory=dict)
    run: str = ""
    began_as: str = ""
    fingerprint: str = ""
    model_hash: str = ""
    folder: str = ""
    recipe: Mapping[str, Any] = field(default_factory=dict)


_RECORD = ("step", "samples", "seed", "run", "began_as", "fingerprint", "model_hash", "folder", "recipe")


def save_state(path: Path, state: RunState) -> None:
    tensors = {f"vectors.{name}": value.contiguous() for name, value in state.vectors.items()}
    for number, moments in state.moments.items():
        tensors |= {f"moments.{number}.{key}": value.detach().cpu().contiguous() for key, value in moments.items()}
    record = {"format": _FORMAT} | {name: getattr(state, name) for name in _RECORD}
    write_atomically(path, save(tensors, {"ti_lab.state": json.dumps(record)}))


def load_state(path: Path) -> RunState:
    """Raises InvalidEmbedding where the file is not one that `save_state` wrote."""
    try:
        with safe_open(str(path), framework="pt") as file:
            record: dict[str, Any] = json.loads((file.metadata() or {})["ti_lab.state"])
            tensors = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118 - not a dict
    except (SafetensorError, KeyError, ValueError, OSError) as error:
        raise InvalidEmbedding(
            f"This is no state of a training run ({error}).", "Resume from another copy.", str(path)
        ) from error
    vectors: dict[str, torch.Tensor] = {}
    moments: dict[int, dict[str, torch.Tensor]] = {}
    for key, tensor in tensors.items():
        kind, name, *rest = key.split(".", 2)
        if kind == "vectors":
            vectors[name] = tensor
        else:
            moments.setdefault(int(name), {})[rest[0]] = tensor
    return RunState(vectors=vectors, moments=moments, **{name: record[name] for name in _RECORD})
