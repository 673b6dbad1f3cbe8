"""`again`: embeddings made again for another model, by the recipes that their files carry."""

import argparse
import contextlib
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lib_ti.cli.console import STOPPED, json_line, stopping_gently, tell
from lib_ti.cli.flags import add_flags, faults_by_flag, given_settings
from lib_ti.cli.model_flags import add_model_flags, open_app
from lib_ti.config.embeddings import RemakeConfig
from lib_ti.config.options import build_config
from lib_ti.control import Control

if TYPE_CHECKING:
    from lib_ti.app import RemakeResult

FLAGS = {"--name": "name", "--overwrite": "overwrite", "--out": "folder"}


def add_command(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    text = "Make merged and created embeddings again for another model."
    parser = commands.add_parser("again", aliases=["remake"], help=text, description=text, allow_abbrev=False)
    parser.add_argument(
        "files",
        metavar="FILE",
        type=Path,
        nargs="+",
        help="Files; or folders, whose embeddings that are of the model already are passed over.",
    )
    add_flags(parser, RemakeConfig, FLAGS)
    parser.add_argument(
        "--embeddings", metavar="DIR", help="Folder of the embeddings that expressions name [that of the first FILE]"
    )
    add_model_flags(parser)
    parser.add_argument("--json", action="store_true", help="Print each file's result as a line of JSON.")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    values = given_settings(args, FLAGS)
    with faults_by_flag(FLAGS, RemakeConfig):
        config = build_config(RemakeConfig, values)  # before the model is read, which takes longer
    first = args.files[0]
    app = open_app(args, args.embeddings or str(first if first.is_dir() else first.parent))
    paths = list(dict.fromkeys(path for given in args.files for path in _files(given, app)))
    done, control = 0, Control()
    with stopping_gently(control, "this file"), contextlib.closing(app.remake(paths, config)) as remade:
        for one in remade:
            done += one.made is not None
            _tell(one, args.json)
            if control.stopping:
                break
    if not args.json:
        tell(f"{done} made again on {app.model().name}, {len(paths) - done} not")
    if control.stopping:
        return STOPPED
    return 2 if done < len(paths) else 0


def _tell(one: "RemakeResult", as_json: bool) -> None:
    if as_json:
        result: dict[str, Any] = one.made.values() if one.made else {"path": None, "fault": one.fault}
        tell(json_line({"file": str(one.path), **result}))
    elif one.made:
        tell("  ".join([f"{one.path} -> {one.made.path}", *one.made.notes]))
    else:
        tell(f"Error: {one.path}: {one.fault}", sys.stderr)


def _files(given: Path, app: Any) -> Iterator[Path]:
    if not given.is_dir():
        yield given
        return
    model = app.model()
    yield from (entry.path for entry in app.library(str(given)) if entry.header and entry.match(model) != "this")
