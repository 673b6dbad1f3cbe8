"""`inspect`: what an embedding's file holds."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lib_ti.app import App
from lib_ti.cli.host import add_model_flags, open_app

if TYPE_CHECKING:
    from lib_ti.embedding.embedding import Embedding


def add_command(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    text = "Show what an embedding's file holds."
    parser = commands.add_parser("inspect", help=text, description=text, allow_abbrev=False)
    parser.add_argument("file", metavar="FILE", type=Path, help=".safetensors, .pt, .bin or a .png that carries one")
    add_model_flags(parser, None)
    parser.add_argument("--json", action="store_true", help="Print it as JSON.")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    embedding = App.load_embedding(args.file)
    facts = describe(embedding)
    if args.model:
        model = open_app(args, str(args.file.parent)).model()
        embedding.fit_to(model)
        facts["fits"] = model.name
    if args.json:
        print(json.dumps({**facts, "vectors": measure_rows(embedding)}, ensure_ascii=False, default=str))
    else:
        print("\n".join(_text(facts, measure_rows(embedding))))
    return 0


def describe(embedding: Embedding) -> dict[str, Any]:
    return {
        "name": embedding.name,
        "family": embedding.family,
        "encoders": embedding.widths,
        "rows": embedding.rows,
        "step": embedding.step,
        "model": embedding.model_name,
        "model_hash": embedding.model_hash,
        "created": embedding.created,
        "notes": list(embedding.notes),
        "recipe": dict(embedding.recipe),
    }


def measure_rows(embedding: Embedding) -> list[dict[str, Any]]:
    """One entry a row of each encoder: least and greatest number, and the L2 length."""
    return [
        {
            "encoder": encoder,
            "row": number,
            "min": row.min().item(),
            "max": row.max().item(),
            "length": row.norm().item(),
        }
        for encoder, rows in embedding.vectors.items()
        for number, row in enumerate(rows, 1)
    ]


def _text(facts: dict[str, Any], rows: list[dict[str, Any]]) -> list[str]:
    shown = {
        **facts,
        "encoders": ", ".join(f"{name} ({width} wide)" for name, width in facts["encoders"].items()),
        "notes": "; ".join(facts["notes"]),
        "recipe": json.dumps(facts["recipe"], ensure_ascii=False, default=str) if facts["recipe"] else "",
    }
    return [
        *(f"{key.replace('_', ' '):<11} {value}" for key, value in shown.items() if value not in ("", None)),
        "",
        f"{'encoder':<8} {'row':>3} {'min':>9} {'max':>9} {'length':>9}",
        *("{encoder:<8} {row:>3} {min:>9.4f} {max:>9.4f} {length:>9.4f}".format(**row) for row in rows),
    ]
