"""`inspect`: what an embedding's file holds."""

from __future__ import annotations

import argparse
import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lib_ti.cli.host import add_model_flags, open_app
from lib_ti.config.train import TrainConfig
from lib_ti.config.tree import flatten, walk_options
from lib_ti.embedding.files import load_embedding, load_header

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
    facts = asdict(load_header(args.file))
    embedding = load_embedding(args.file)
    if args.model:
        model = open_app(args, str(args.file.parent)).model()
        embedding = embedding.fit_to(model)
        facts |= {"family": embedding.family, "widths": embedding.widths, "fits": model.name}
    rows = measure_rows(embedding)
    if args.json:
        print(json.dumps({**facts, "vectors": rows}, ensure_ascii=False, default=str))
    else:
        print("\n".join(_text(facts, rows)))
    return 0


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
        "widths": ", ".join(f"{name} {width}" for name, width in facts["widths"].items()),
        "notes": " ".join(facts["notes"]),
        "recipe": ("\n" + " " * 13).join(_recipe_lines(facts["recipe"])),
        "token_tables": "",  # of use to programs alone, which have --json
    }
    return [
        *(f"{key.replace('_', ' '):<12} {value}" for key, value in shown.items() if value),
        "",
        f"{'encoder':<8} {'row':>3} {'min':>9} {'max':>9} {'length':>9}",
        *("{encoder:<8} {row:>3} {min:>9.4f} {max:>9.4f} {length:>9.4f}".format(**row) for row in rows),
    ]


def _recipe_lines(recipe: dict[str, Any]) -> list[str]:
    """Settings of a training only where they are not the defaults, which would fill a page."""
    usual = {f"training.{path}": default for path, _, default, _ in walk_options(TrainConfig)}
    return [f"{path} = {value}" for path, value in flatten(recipe).items() if usual.get(path, ...) != value]
