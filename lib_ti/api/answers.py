"""What the API answers: JSON made of the dataclasses that hold the data, and its description in /docs."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import is_dataclass
from functools import cached_property
from pathlib import Path
from types import GenericAlias, NoneType
from typing import Any, Literal, get_args, get_origin, get_type_hints

from pydantic import VERSION

from lib_ti.errors import Fault
from lib_ti.events import Failed, Judged, Measured, PreviewReady, Saved
from lib_ti.expression.advice import Advice
from lib_ti.host import EncoderInfo, ModelInfo
from lib_ti.inspect.columns import Figures
from lib_ti.inspect.facts import Decomposition, Nearest, Row, RowPair, Sameness, Table
from lib_ti.inspect.line import Line
from lib_ti.jobs.history import Point
from lib_ti.jobs.snapshot import Snapshot
from lib_ti.library.listing import Entry, Match
from lib_ti.library.result import Result
from lib_ti.training.description import Candidate, Description, FoundWord

_TYPES = {str: "string", Path: "string", int: "integer", bool: "boolean"}
_KNOWN: dict[type, Answer] = {}


class Answer:
    """A JSON object: what a program is told of a dataclass.

    Args:
        source: The dataclass; one that lies in another answer is told by the first answer that was made of its class. Or the
            name of one that comes with torch, which no start of a server may wait for.
        keys: Names of its fields and properties, in order; `key=name` where JSON calls it otherwise.
        about: A sentence on the whole.
        added: The types of keys besides, one or several keys a type; their values `of` is given, or the source has them.
        described: A sentence on a key that its name does not explain.
    """

    def __init__(
        self,
        source: type | str,
        keys: str = "",
        about: str = "",
        added: Mapping[str, Any] | None = None,
        **described: str,
    ) -> None:
        self.about, self.described = about, described
        self._names = {key: name or key for key, _, name in (word.partition("=") for word in keys.split())}
        if isinstance(source, str):
            self.title, self._kinds = source, dict[str, Any]()
        else:
            self.title, self._kinds = source.__name__, {key: _kind_of(source, self._names[key]) for key in self._names}
            _KNOWN.setdefault(source, self)
        self._kinds |= {key: kind for keys, kind in (added or {}).items() for key in keys.split()}

    def of(self, source: Any, **added: Any) -> dict[str, Any]:
        values = {key: getattr(source, self._names.get(key, key)) for key in self._kinds if key not in added} | added
        return {key: plain(values[key]) for key in self._kinds}

    def schema(self) -> dict[str, Any]:
        properties = {key: _described(_schema(kind), self.described.get(key)) for key, kind in self._kinds.items()}
        schema = {"type": "object", "title": self.title, "properties": properties, "required": list(properties)}
        return _described(schema, self.about)


def plain(value: Any) -> Any:
    """In JSON's types; null for numbers that are not finite, and "?" for halves of characters, which names of files may hold:
    JSON has no words for them."""
    if type(value) in _KNOWN:
        return _KNOWN[type(value)].of(value)
    if isinstance(value, Mapping):
        return {plain(key): plain(inner) for key, inner in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(inner) for inner in value]
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    return str(value).encode(errors="replace").decode() if isinstance(value, (str, Path)) else value


def schema_of(kind: Any) -> dict[str, Any]:
    """Of an `Answer`, or of a type made of what an answer may hold."""
    return kind.schema() if isinstance(kind, Answer) else _schema(kind)


def many(answer: Answer) -> Any:
    """The type of a list of them."""
    return GenericAlias(list, (answer,))


def _kind_of(source: type, name: str) -> Any:
    found = getattr(source, name, None)
    getter = found.func if isinstance(found, cached_property) else found.fget if isinstance(found, property) else None
    return get_type_hints(getter)["return"] if getter else get_type_hints(source)[name]


def _schema(kind: Any) -> dict[str, Any]:
    origin, inner = get_origin(kind), get_args(kind)
    if NoneType in inner:
        (some,) = [one for one in inner if one is not NoneType]
        return _or_null(schema_of(some))
    if origin is Literal:
        return {"type": "string", "enum": list(inner)}
    if origin in (list, tuple):
        return {"type": "array", "items": schema_of(inner[0])}
    if isinstance(origin, type) and issubclass(origin, Mapping):
        return {"type": "object", "additionalProperties": schema_of(inner[1])}
    if is_dataclass(kind):
        return _KNOWN[kind].schema()  # type: ignore[index]
    if kind is float:  # null where it is not finite
        return _or_null({"type": "number"})
    return {} if kind is Any else {"type": _TYPES[kind]}


def _or_null(schema: dict[str, Any]) -> dict[str, Any]:
    if VERSION.startswith("1."):  # the FastAPI of that age describes itself by OpenAPI 3.0, which has no type null
        return {**schema, "nullable": True}
    return schema if "anyOf" in schema else {"anyOf": [schema, {"type": "null"}]}


def _described(schema: dict[str, Any], text: str | None) -> dict[str, Any]:
    return {**schema, "description": text} if text else schema


FAULT = Answer(Fault, "where message hint", where="A setting's dotted path, a file or a parameter.")
ENCODER = Answer(EncoderInfo, "name width", name="clip_l, clip_h or clip_g.")
MODEL = Answer(
    ModelInfo,
    "name short_hash family encoders prediction_type native_size",
    "The checkpoint that is loaded.",
    short_hash="First 10 digits of the file's SHA-256; empty where it is not known.",
    native_size="Side in pixels of the pictures it was trained on.",
)
RESULT = Answer(
    Result,
    "file=path family vectors notes remark",
    "A file that was written.",
    notes="What was left out, and what its name will surprise with in prompts.",
    remark="Good to know of its name; empty for most.",
)
ADVICE = Answer(Advice, "message hint")
LINE = Answer(Line, "first vectors text tokens", first="The first of its vectors, counted from 0.")
FIGURES = Answer(
    Figures,
    " ".join(Figures.__dataclass_fields__),
    **{name: entry.metadata["description"] for name, entry in Figures.__dataclass_fields__.items()},
)
NEAREST = Answer(Nearest, "token text cosine")
VECTOR = Answer(
    Row,
    "length too_long nearest",
    too_long="Over 10 times as long as the vocabulary's mean: drowns its neighbours.",
)
TABLE = Answer(
    Table,
    "encoder width vocabulary_length figures rows",
    vocabulary_length="Mean L2 length of all tokens' vectors.",
    figures="One for each line.",
    rows="One for each vector.",
)
PAIR = Answer(RowPair, "cosine distance lengths")
SAME = Answer(
    Sameness,
    "same largest scale",
    largest="Largest difference of the conditioning.",
    scale="Its largest number, to measure that by.",
)
DECOMPOSED = Answer(
    Decomposition,
    "expression residuals",
    expression="To edit and merge again.",
    residuals="By encoder, the share of each vector's length that is left unexplained.",
)
CHECK = Answer(
    "Check",
    about="What an expression would give.",
    added={"rows": int | None, "advice": list[Advice], "error": str, "span": list[int] | None},
    rows="Vectors of the result; null where it cannot be read.",
    error="Why it cannot be read, with a caret under the place; else empty.",
    span="From which character to which it cannot be read.",
)
INSPECTION = Answer(
    "Inspection",
    added={"title": str, "lines": list[Line], "encoders": list[Table], "notes warnings": list[str]}
    | {"compared": dict[str, list[RowPair]] | None, "same_as": Sameness | None},
    compared="With `other`, vector by vector, by encoder.",
)
CONVERTED = Answer("Converted", added={"file": str, "notes": list[str]}, notes="What was lost or assumed.")
CONVERSION = Answer(
    "Conversion",
    added={"written": many(CONVERTED), "faults": list[str]},
    faults="What of a bundle could not be converted.",
)
_OF_HEADER = {"vectors step": int | None, "made_on made_on_hash": str, "match": Match | None, "thumbnail": bool}
_ENTRY_TEXTS = {
    "file": "Path in the embeddings folder, as other requests take it.",
    "date": "When it was made, else when its file was changed, ISO 8601.",
    "made_on": "The model's name.",
    "recipe": "How it was made, in a few words.",
    "match": "For the loaded model: this, other (of its family), unknown or misfit.",
    "namesakes": "Other files of its name; prompts use only one of them.",
    "fault": "Why it cannot be read; else empty.",
}
_ENTRY_KEYS = "file name family date recipe namesakes=shadows fault"
ENTRY = Answer(Entry, _ENTRY_KEYS, added=_OF_HEADER, **_ENTRY_TEXTS)
LIBRARY = Answer("Library", added={"folder": str, "embeddings": list[Entry]})
HEADER = Answer(
    Entry,
    _ENTRY_KEYS,
    "All that is known of a file without its numbers.",
    added=_OF_HEADER
    | {"layout": str, "widths": dict[str, int], "recipe_full": dict[str, Any], "token_tables": dict[str, str]}
    | {"notes": list[str]},
    **_ENTRY_TEXTS,
)
PLAN = Answer(
    "Plan",
    about="What a training would do.",
    added={"lines warnings": list[str], "first_step last_step steps_per_epoch pictures": int, "embedding": str},
    lines="The plan in words.",
    embedding="The file that it writes.",
)
POINT = Answer(
    Point,
    "step steps loss low high rate",
    steps="Updates that this point stands for; the last of them is `step`.",
)
MEASURED = Answer(
    Measured,
    "step loss score best_step held_out",
    score="The same with timesteps balanced, by which the best is told.",
    held_out="Whether the pictures were not trained on.",
)
JUDGED = Answer(Judged, "kind reason hint", kind="settled, still learning, memorising, drowning or nothing learned.")
PREVIEW = Answer(PreviewReady, "step prompt seed file=path")
SAVED = Answer(Saved, "step kind file=path", kind="embedding, copy, state, preview or plot.")
FAILURE = Answer(
    Failed,
    "message hint expected",
    added={"faults": list[Fault]},
    expected="False for a bug, whose traceback is in the log.",
    faults="Every fault by its field or file, where there are such.",
)
STATUS = Answer(
    Snapshot,
    "job name state active status fraction model first_step step last_step epoch loss rate norms seconds_per_step "
    "images_per_second seconds_left result",
    "The run that goes on, else the one that ran last.",
    added={
        "losses": list[Point],
        "measured": list[Measured],
        "verdicts": list[Judged],
        "preview": PreviewReady | None,
        "failure": Failed | None,
    },
    job="Counts up with each run; 0 where there was none.",
    status="What it does now, such as encoding pictures.",
    fraction="How far that is, 0 to 1.",
    first_step="Updates that were done before this run began.",
    norms="Mean L2 length of the vectors by encoder.",
    measured="The losses on fixed samples.",
    verdicts="What they come to, once the run has ended.",
    preview="The newest; GET train/preview has the picture.",
    result="The embedding's file, once it is saved.",
)
LOG = Answer(
    Snapshot,
    "job run_folder plan warnings saved previews",
    "What the run planned, warned of, wrote and drew.",
    added={"settings": dict[str, Any], "traceback": str},
    settings="What it was started with, by dotted path.",
    traceback="Of a bug; else empty.",
)
REMADE = Answer(
    "Remade",
    added={"file": str, "made": Result | None, "fault": str},
    made="Its new form.",
    fault="Why there is none; else empty.",
)
REMAKE = Answer(
    Snapshot,
    "job state active",
    "The making again that goes on, else the one that was last.",
    added={"total done": int, "seconds_left": float | None, "files": many(REMADE), "failure": Failed | None},
    job="Counts up with each job; 0 where there was none.",
    total="Files to make; those of the loaded model already are passed over.",
    files="Those that are done.",
)
CANDIDATE = Answer(Candidate, "token text loss", text="A whole word, or a piece of one.")
FOUND_WORD = Answer(
    FoundWord,
    "token text loss share others",
    loss="With all words up to this one.",
    share="Of the loss without any word, what this one took away.",
    others="The next best at its place.",
)
DESCRIPTION = Answer(
    Description,
    "folder pictures start_loss words share expression text images stopped",
    "What pictures are in the model's own words.",
    start_loss="With the neutral word alone.",
    share="Of that, what all words took away.",
    expression="Of just the words' vectors, to edit and merge.",
    text="The words that can be typed.",
    images="The work, in pictures learned from.",
)
DESCRIBING = Answer(
    Snapshot,
    "job state active status fraction",
    "The description that goes on, else the one that was last.",
    added={"description": Description | None, "failure": Failed | None},
    job="Counts up with each job; 0 where there was none.",
    description="Once it is over.",
)
