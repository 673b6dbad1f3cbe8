"""All that an exact resume needs, in one file beside each copy; and A1111's `.optim`, which it goes on by.

A state holds vectors, the optimizer's moments, counters and the seed. The random state is the seed and the counters, since every
draw is a function of them. The vectors stand here once more, so that a file from before a crash is enough by itself. The layout is
safetensors: tensors `vectors.ENCODER`, `moments.ENCODER.KEY`, and one JSON record in the metadata. Format 1, which knew AdamW alone,
counted the encoders instead, by name. Of a run of several embeddings each one's state holds all, the others' tensors under
`others.NUMBER.`. The suffix is one that no host takes for an embedding.

A `.optim` is AdamW's state, told to belong to an embedding by a checksum of the vectors: SD1 and SD2 only, as its trainer; one
tensor, the optimizer's number 0.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save

from lib_ti.atomic import write_atomically
from lib_ti.config.options import LARGEST_SEED
from lib_ti.embedding.limits import MAX_FILE_BYTES, MAX_ROWS, MAX_WIDTH
from lib_ti.errors import InvalidEmbedding
from lib_ti.formats.safetensors_file import read_safetensors
from lib_ti.formats.stored import StoredTensor
from lib_ti.formats.torch_file import read_torch_file
from lib_ti.formats.writing import write_torch_zip
from lib_ti.reading import read_file, read_json
from lib_ti.training.optimizer import OPTIMIZERS
from lib_ti.training.verdict import Measurement

Moments = Mapping[str, Mapping[str, torch.Tensor]]
"""The optimizer's state by encoder: of AdamW, `exp_avg`, `exp_avg_sq` [V, D] and `step`."""

SUFFIX = ".state"
_FORMAT, _FORMATS, _KEY = "2", ("1", "2"), "ti_lab.state"
_ADAMW = OPTIMIZERS["adamw"]


@dataclass(frozen=True)
class Learned:
    """What a run has learned of one embedding. `vectors`: [V, D] float32 CPU by encoder; `best`: those of the best measurement;
    `began_as`: digest of the vectors that the run began with; `recipe`: what the embedding's own recipe is to keep of how these were
    made, under the key `start`."""

    vectors: Mapping[str, torch.Tensor]
    moments: Moments = field(default_factory=dict)
    best: Mapping[str, torch.Tensor] = field(default_factory=dict)
    began_as: str = ""
    recipe: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class RunState:
    """`samples`: pictures seen; `run` sorts by the time the run began; `fingerprint`: of the data set.
    `model_hash`, `model_name`, `token_tables`: of the model that they were trained on; `settings`: of the run, by dotted path;
    `optimizer`: whose the moments are; `stretch`: by which the run is longer than its settings, for its gradients' noise; `measured`: on fixed samples, in order.
    `vectors`, `moments`, `best`, `began_as` and `recipe`: as in `Learned`, of the embedding whose file this state goes with;
    `others`: by name, of those that learned in the same run."""

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
    model_name: str = ""
    token_tables: Mapping[str, str] = field(default_factory=dict)
    settings: Mapping[str, Any] = field(default_factory=dict)
    optimizer: str = "adamw"
    stretch: float = 1.0
    measured: Sequence[Measurement] = ()
    best: Mapping[str, torch.Tensor] = field(default_factory=dict)
    others: Mapping[str, Learned] = field(default_factory=dict)

    def learned(self, name: str) -> dict[str, Learned]:
        """Of every embedding by name; `name` is that of the one whose file this state goes with, which is the first."""
        return {name: Learned(self.vectors, self.moments, self.best, self.began_as, self.recipe), **self.others}

    def holding(self, learned: Mapping[str, Learned], name: str) -> RunState:
        """This state with `learned`, to go with the file of embedding `name`."""
        others = {other: one for other, one in learned.items() if other != name}
        return replace(self, **vars(learned[name]), others=others)


_RECORD = ("step", "samples", "seed", "run", "began_as", "fingerprint", "model_hash", "folder", "recipe")
_SINCE = ("model_name", "token_tables", "settings", "optimizer", "measured", "others", "stretch")
"""Of the record, what older files do not have."""


def state_path(embedding: Path) -> Path:
    """Of the embedding in its place: `my-cat.safetensors.state`; of a run's copy: `my-cat-500.state`."""
    return embedding.with_name(embedding.name + SUFFIX)


def save_state(path: Path, state: RunState) -> None:
    own, *others = state.learned("").values()
    tensors = _tensors(own)
    for number, other in enumerate(others):
        tensors |= {f"others.{number}.{key}": value for key, value in _tensors(other).items()}
    record = {"format": _FORMAT, "moments_format": OPTIMIZERS[state.optimizer].format}
    record |= {name: getattr(state, name) for name in (*_RECORD, *_SINCE)}
    record["measured"] = [[one.step, one.loss, one.score] for one in state.measured]
    record["others"] = [[name, other.began_as, other.recipe] for name, other in state.others.items()]
    write_atomically(path, save(tensors, {_KEY: json.dumps(record)}))


def _tensors(learned: Learned) -> dict[str, torch.Tensor]:
    tensors = {f"vectors.{name}": value.contiguous() for name, value in learned.vectors.items()}
    tensors |= {f"best.{name}": value.contiguous() for name, value in learned.best.items()}
    for name, moments in learned.moments.items():
        tensors |= {f"moments.{name}.{key}": value.detach().cpu().contiguous() for key, value in moments.items()}
    return tensors


def load_state(path: Path) -> RunState:
    """Raises InvalidEmbedding where the file is not one that `save_state` wrote, whole and in a format that we know."""
    try:
        stored, metadata = read_safetensors(path)
        record = _read_record(metadata.get(_KEY))
        others, optimizer, rest = {}, record.get("optimizer", "adamw"), dict(stored)
        for number, (name, began_as, recipe) in enumerate(record.pop("others", [])):
            begin = f"others.{number}."
            own = {key.removeprefix(begin): rest.pop(key) for key in stored if key.startswith(begin)}
            others[name] = Learned(*_read_tensors(own, optimizer), began_as, recipe)
        vectors, moments, best = _read_tensors(rest, optimizer)
    except (InvalidEmbedding, ValueError, OSError) as error:
        reason = error.message if isinstance(error, InvalidEmbedding) else str(error)
        reason = (error.strerror or reason) if isinstance(error, OSError) else reason
        raise InvalidEmbedding(
            f"This is no state of a training run ({reason.rstrip('.')}).", "Resume from another copy.", str(path)
        ) from error
    return RunState(vectors=vectors, moments=moments, best=best, others=others, **record)


_KINDS: dict[str, type] = dict.fromkeys(
    ("run", "began_as", "fingerprint", "model_hash", "folder", "model_name", "optimizer"), str
)
_KINDS |= (
    {"measured": list, "others": list, "stretch": float}
    | dict.fromkeys(("step", "samples", "seed"), int)
    | dict.fromkeys(("recipe", "token_tables", "settings"), dict)
)


def _read_record(text: str | None) -> dict[str, Any]:
    if text is None:
        raise ValueError("it says nothing of a run")
    read = read_json(text)
    if not isinstance(read, dict):
        raise ValueError("its record is no table")
    if (form := read.get("format")) not in _FORMATS:
        newer = isinstance(form, str) and form.isdecimal() and len(form) < 10 and int(form) > int(_FORMAT)
        who = "it was written by a newer TI Lab" if newer else "no TI Lab wrote it"
        raise ValueError(f"{who}: its format is {str(form)[:20]!r}, and this one reads up to {_FORMAT!r}")
    kind = OPTIMIZERS.get(str(read.get("optimizer", "adamw"))[:50])
    if kind is None or read.get("moments_format", 1) != kind.format:
        raise ValueError("its optimizer is one that this TI Lab does not know")
    record = {name: read[name] for name in (*_RECORD, *_SINCE) if name in read}
    if lacking := [name for name in _RECORD if name not in record]:
        raise ValueError(f"its record lacks {', '.join(lacking)}")
    for name, value in record.items():
        if type(value) is not _KINDS[name] or (isinstance(value, int) and not 0 <= value <= LARGEST_SEED):
            raise ValueError(f"its {name} is {str(value)[:50]!r}")
    if not 1 <= record.get("stretch", 1.0) <= 100:
        raise ValueError(f"its stretch is {record['stretch']!r}")
    if not all(isinstance(digest, str) for digest in record.get("token_tables", {}).values()):
        raise ValueError("its token_tables hold what is no digest")
    for one in record.get("others", []):
        if not isinstance(one, list) or [type(value) for value in one] != [str, str, dict]:
            raise ValueError(f"one of its other embeddings is {str(one)[:50]!r}")
    if "measured" in record:
        record["measured"] = [_read_measurement(one) for one in record["measured"]]
    return record


def _read_measurement(one: Any) -> Measurement:
    if not isinstance(one, list) or [type(value) for value in one] != [int, float, float]:
        raise ValueError(f"one of its measurements is {str(one)[:50]!r}")
    if one[0] < 0 or not all(map(math.isfinite, one)):
        raise ValueError("one of its measurements cannot come of a training")
    return Measurement(*one)


def _read_tensors(
    stored: Mapping[str, StoredTensor], optimizer: str
) -> tuple[dict[str, torch.Tensor], dict[str, dict[str, torch.Tensor]], dict[str, torch.Tensor]]:
    """(vectors, moments, the best vectors or none). Shapes are looked at before a number is read. Raises ValueError, or InvalidEmbedding."""
    shapes = {key.removeprefix("vectors."): one.shape for key, one in stored.items() if key.startswith("vectors.")}
    names = sorted(shapes)
    if not names or not all(
        len(shape) == 2 and 0 < shape[0] <= MAX_ROWS and 0 < shape[1] <= MAX_WIDTH for shape in shapes.values()
    ):
        raise ValueError("it holds no vectors")
    if len({shape[0] for shape in shapes.values()}) > 1:
        raise ValueError("its encoders have unequal numbers of vectors")
    best = {name: stored[f"best.{name}"] for name in names if f"best.{name}" in stored}
    if best and {name: one.shape for name, one in best.items()} != shapes:
        raise ValueError("its best vectors are not those of its vectors")
    found: dict[str, dict[str, StoredTensor]] = {}
    for key in sorted(stored.keys() - {f"{what}.{name}" for what in ("vectors", "best") for name in names}):
        place = re.fullmatch(r"moments\.(\w+)\.(\w+)", key)
        encoder, name = place.groups() if place else ("", "")
        if len(encoder) < 3 and encoder.isdecimal() and int(encoder) < len(names):
            encoder = names[int(encoder)]
        if encoder not in shapes or name in found.get(encoder, {}):
            raise ValueError("its moments are not those of its vectors")
        found.setdefault(encoder, {})[name] = stored[key]
    kind = OPTIMIZERS[optimizer]
    for encoder, moments in found.items():
        wanted = dict.fromkeys(kind.rows, shapes[encoder]) | dict.fromkeys(kind.numbers, ())
        if {name: one.shape for name, one in moments.items()} != wanted:
            raise ValueError("its moments are not those of its vectors")
    vectors = {name: stored[f"vectors.{name}"].load() for name in names}
    kept = {name: one.load() for name, one in best.items()}
    states = {encoder: {name: one.load() for name, one in moments.items()} for encoder, moments in found.items()}
    sound = all(_is_sound(tensor) for tensor in (*vectors.values(), *kept.values()))
    sound &= all(_is_sound(one, name in kind.positive) for state in states.values() for name, one in state.items())
    if not sound:
        raise ValueError("some of its numbers cannot come of a training")
    return vectors, states, kept


def _is_sound(tensor: torch.Tensor, positive: bool = False) -> bool:
    """Finite floats; Prodigy's estimates are Python's, of 64 bits."""
    exact = tensor.dtype == torch.float32 or (tensor.dtype == torch.float64 and tensor.dim() == 0)
    return exact and bool(tensor.isfinite().all()) and not (positive and bool((tensor < 0).any()))


OPTIM_SUFFIX = ".optim"


def optim_path(embedding: Path) -> Path:
    return embedding.with_name(embedding.name + OPTIM_SUFFIX)


def checksum(vectors: torch.Tensor) -> str:
    """A1111's: 16 bits over the vectors in hundredths, cut to whole numbers. Close vectors share it."""
    sum_ = 0
    for value in (vectors.detach().float().reshape(-1) * 100).tolist():
        sum_ = (sum_ * 281 ^ int(value) * 997) & 0xFFFFFFFF
    return f"{sum_ & 0xFFFF:04x}"


def load_optim(path: Path, vectors: torch.Tensor) -> dict[str, torch.Tensor]:
    """AdamW's moments of `vectors` [V, D]. Nothing in the file is executed.

    Raises InvalidEmbedding where the file is damaged or belongs to other vectors.
    """
    try:
        saved = read_torch_file(read_file(path, MAX_FILE_BYTES))
    except OSError as error:
        raise InvalidEmbedding(f"It cannot be read: {error.strerror}.", where=str(path)) from error
    if not isinstance(saved, dict) or saved.get("hash") != checksum(vectors):
        raise InvalidEmbedding("It belongs to other vectors.", where=str(path))
    try:
        moments = saved["optimizer_state_dict"]["state"][0]
        shapes = {name: moments[name].shape for name in _ADAMW.rows}
        if any(shape != tuple(vectors.shape) for shape in shapes.values()) or _count(moments["step"]) != 1:
            raise InvalidEmbedding("Its moments have another shape than the vectors.", where=str(path))
        found = {name: _load(moments[name]) for name in (*_ADAMW.numbers, *_ADAMW.rows)}
    except (AttributeError, KeyError, IndexError, TypeError, ValueError, OverflowError, RuntimeError) as error:
        raise InvalidEmbedding("It holds no state of AdamW.", where=str(path)) from error
    if not all(bool(torch.isfinite(tensor).all()) for tensor in found.values()) or bool(
        (found["exp_avg_sq"] < 0).any()
    ):
        raise InvalidEmbedding("Its moments are no numbers that AdamW gives.", where=str(path))
    return found


def save_optim(path: Path, optimizer_state: Mapping[str, Any], vectors: torch.Tensor) -> None:
    """So that A1111's trainer goes on with the moments of `vectors`. `optimizer_state` is AdamW's own `state_dict()`."""
    moments = {
        number: {key: value.detach().cpu() for key, value in one.items()}
        for number, one in optimizer_state["state"].items()
    }
    values = {"hash": checksum(vectors), "optimizer_state_dict": {**optimizer_state, "state": moments}}
    write_atomically(path, write_torch_zip(values))


def _count(value: Any) -> int:
    return math.prod(value.shape) if isinstance(value, StoredTensor) else 1


def _load(value: Any) -> torch.Tensor:
    """Torch before 1.12 kept the step as a plain number."""
    tensor = value.load() if isinstance(value, StoredTensor) else torch.tensor(float(value))
    return tensor.float()
