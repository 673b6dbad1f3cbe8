"""The facts about an embedding that our own files carry beside its vectors, as flat text by key."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, get_args

from lib_ti.embedding.limits import MAX_METADATA_BYTES, MAX_WIDTH
from lib_ti.host import Family
from lib_ti.reading import read_json
from lib_ti.version import VERSION

if TYPE_CHECKING:
    from lib_ti.embedding.embedding import Embedding

FORMAT_VERSION = "1"
TOOL = f"TI Lab {VERSION}"


@dataclass(frozen=True)
class Facts:
    """What a file says of its embedding; empty where it says nothing. `encoders` are widths by name, in order."""

    name: str = ""
    family: Family | None = None
    encoders: Mapping[str, int] = field(default_factory=dict)
    model_name: str = ""
    model_hash: str = ""
    token_tables: Mapping[str, str] = field(default_factory=dict)
    step: int = 0
    recipe: Mapping[str, Any] = field(default_factory=dict)
    created: str = ""


def write_metadata(embedding: Embedding) -> dict[str, str]:
    """Text by key, as the header of a .safetensors file holds it."""
    return {
        "ti_lab.format": FORMAT_VERSION,
        "ti_lab.tool": TOOL,
        "name": embedding.name,
        "family": embedding.family or "",
        "encoders": json.dumps(dict(embedding.widths)),
        "model_name": embedding.model_name,
        "model_hash": embedding.model_hash,
        "token_tables": json.dumps(dict(embedding.token_tables)),
        "step": str(embedding.step),
        "recipe": json.dumps(dict(embedding.recipe), ensure_ascii=False, default=str),
        "created": embedding.created,
    }


def read_metadata(metadata: Mapping[str, str]) -> Facts | None:
    """None where the metadata is not ours. What is damaged in it is left out: the vectors are worth more than a fact."""
    if "ti_lab.format" not in metadata or sum(map(len, metadata.values())) > MAX_METADATA_BYTES:
        return None
    family = metadata.get("family", "")
    step = metadata.get("step", "")
    encoders = _json_object(metadata.get("encoders", ""))
    tables = _json_object(metadata.get("token_tables", ""))
    return Facts(
        name=metadata.get("name", ""),
        family=family if family in get_args(Family) else None,  # type: ignore[arg-type]
        encoders={key: value for key, value in encoders.items() if type(value) is int and 0 < value <= MAX_WIDTH},
        model_name=metadata.get("model_name", ""),
        model_hash=metadata.get("model_hash", ""),
        token_tables={key: value for key, value in tables.items() if isinstance(value, str)},
        step=int(step) if step.isdecimal() and len(step) < 10 else 0,
        recipe=_json_object(metadata.get("recipe", "")),
        created=metadata.get("created", ""),
    )


def _json_object(text: str) -> dict[str, Any]:
    try:
        value = read_json(text)
    except ValueError:
        return {}
    return value if isinstance(value, dict) else {}
