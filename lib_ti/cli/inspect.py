"""`inspect`: what a file, a text or an expression holds, and how it compares."""

from __future__ import annotations

import argparse
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lib_ti.cli.console import json_line, tell
from lib_ti.cli.flags import add_flags, faults_by_flag, given_settings
from lib_ti.cli.model_flags import add_model_flags, open_app
from lib_ti.cli.tables import comparison_lines, inspection_lines
from lib_ti.config.embeddings import InspectConfig
from lib_ti.config.options import build_config, flatten, walk_options
from lib_ti.config.train import TrainConfig
from lib_ti.errors import TIError
from lib_ti.formats.files import load_embedding, load_header

if TYPE_CHECKING:
    from lib_ti.app import App
    from lib_ti.inspect.inspection import Inspection


FLAGS = {
    "--by": "by",
    "--nearest": "nearest",
    "--with": "other",
    "--same-as": "same_as",
    "--prompt": "prompt",
    "--decompose": "decompose",
    "--dark": "dark",
}
DEFAULTS = {"nearest": 3}
"""Other than the tab's: a line of text is narrower."""


def add_command(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    text = "Show what an embedding's file, an expression or a text holds."
    parser = commands.add_parser("inspect", help=text, description=text, allow_abbrev=False)
    parser.add_argument(
        "source", metavar="SOURCE", help="A file (.safetensors, .pt, .bin, .png), or an expression: \"'cat'*0.5\""
    )
    parser.add_argument("--text", action="store_true", help="SOURCE is a plain text, as in a prompt.")
    add_flags(parser, InspectConfig, FLAGS, DEFAULTS)
    parser.add_argument("--picture", metavar="FILE.png", type=Path, help="Draw it, with a heat map and bars.")
    parser.add_argument("--other-model", metavar="MODEL", help="Compare what two models make of the file.")
    parser.add_argument("--embeddings", metavar="DIR", default="outputs", help="Folder of embeddings [outputs]")
    add_model_flags(parser, None)
    parser.add_argument("--json", action="store_true", help="Print it as JSON.")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    with faults_by_flag({**FLAGS, "SOURCE": "file"}, InspectConfig):
        config = build_config(InspectConfig, DEFAULTS | given_settings(args, FLAGS))
    source = args.source if args.text else _path_or_expression(args.source)
    facts = asdict(load_header(source)) if isinstance(source, Path) else {}
    app = open_app(args, args.embeddings) if args.model else None
    seen = _inspect(config, source, app)
    if app and facts:
        facts |= {"family": app.model().family, "fits": app.model().name}
    compared = _compare(args, config, source, app)
    if args.picture:
        from lib_ti.atomic import write_atomically
        from lib_ti.inspect.heatmap import draw_heatmap

        write_atomically(args.picture, draw_heatmap(seen, config.dark))
    if args.json:
        tell(json_line({**facts, **seen.values(), **compared}))
        return 0
    tell("\n".join([*_fact_lines(facts), *inspection_lines(seen), *comparison_lines(compared)]))
    if args.picture:
        tell(f"\nSaved picture: {args.picture}")
    return 0


def _path_or_expression(text: str) -> Path | str:
    return text if "'" in text and not Path(text).exists() else Path(text)


def _inspect(config: InspectConfig, source: Path | str, app: App | None) -> Inspection:
    if app:
        return app.inspect(source, config.grouping, config.nearest)
    from lib_ti.inspect.inspection import inspect_embedding

    return inspect_embedding(load_embedding(_file(source)), None, config.grouping)


def _compare(args: argparse.Namespace, config: InspectConfig, source: Path | str, app: App | None) -> dict[str, Any]:
    """What was asked for, by the keys "with", "on_models", "same_as" and "decomposed"."""
    compared: dict[str, Any] = {}
    if config.other:
        from lib_ti.inspect.compare import compare_embeddings

        other = _path_or_expression(config.other)
        if app:
            pairs = app.compare(source, other)
        else:
            pairs = compare_embeddings(load_embedding(_file(source)), load_embedding(_file(other)))
        compared["with"] = {encoder: [asdict(pair) for pair in rows] for encoder, rows in pairs.items()}
    if args.other_model:
        from lib_ti.inspect.compare import compare_models

        other_app = open_app(argparse.Namespace(**{**vars(args), "model": args.other_model}), args.embeddings)
        both = compare_models(load_embedding(_file(source)), _opened(app).host, other_app.host, config.nearest)
        compared["on_models"] = {encoder: asdict(found) for encoder, found in both.items()}
    if hasattr(args, "same_as"):  # an empty text is one too
        found = _opened(app).compare_with_text(source, config.same_as, config.prompt)
        compared["same_as"] = {**asdict(found), "same": found.same}
    if config.decompose:
        compared["decomposed"] = asdict(_opened(app).decompose(source, config.decompose))
    return compared


def _opened(app: App | None) -> App:
    if app is None:
        raise TIError("This needs a model to read words with.", "Give --model, such as --model demo.")
    return app


def _file(source: Path | str) -> Path:
    """Without a model a file alone can be read."""
    if isinstance(source, str):
        _opened(None)
    return Path(source)


def _fact_lines(facts: dict[str, Any]) -> list[str]:
    if not facts:
        return []
    shown = {
        **facts,
        "widths": ", ".join(f"{name} {width}" for name, width in facts["widths"].items()),
        "notes": " ".join(facts["notes"]),
        "recipe": ("\n" + " " * 13).join(_recipe_lines(facts["recipe"])),
        "token_tables": "",  # of use to programs alone, which have --json
    }
    return [*(f"{key.replace('_', ' '):<12} {value}" for key, value in shown.items() if value), ""]


def _recipe_lines(recipe: dict[str, Any]) -> list[str]:
    """Settings of a training only where they are not the defaults, which would fill a page."""
    usual = {f"training.{path}": default for path, _, default, _ in walk_options(TrainConfig)}
    return [f"{path} = {value}" for path, value in flatten(recipe).items() if usual.get(path, ...) != value]
