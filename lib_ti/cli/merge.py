"""`merge`: a new embedding from an expression of words, embeddings and numbers."""

import argparse
import sys
from dataclasses import asdict

from lib_ti.cli.console import json_line, tell
from lib_ti.cli.flags import add_flags, faults_by_flag, given_settings
from lib_ti.cli.model_flags import add_host_flags, open_app
from lib_ti.config.embeddings import MergeConfig
from lib_ti.config.options import build_config, walk_options

FLAGS = {
    f"--{path.replace('_', '-')}": path
    for path, *_ in walk_options(MergeConfig)
    if path not in ("expression", "folder")
}
NAMES = {**FLAGS, "EXPRESSION": "expression", "--out": "folder"}


def add_command(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    text = "Merge words and embeddings into a new embedding."
    parser = commands.add_parser("merge", help=text, description=text, allow_abbrev=False)
    parser.add_argument("expression", metavar="EXPRESSION", help="Such as \"'cat'*0.5 + 'dog'\"")
    add_flags(parser, MergeConfig, FLAGS)
    parser.add_argument("--check", action="store_true", help="Only say how many vectors it gives, and what is odd.")
    parser.add_argument(
        "--embeddings", metavar="DIR", help="Folder of the embeddings that the expression may name [OUT]"
    )
    add_host_flags(parser, "Folder for the embedding, NAME.safetensors")
    parser.add_argument("--json", action="store_true", help="Print the result as JSON.")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    values = given_settings(args, FLAGS) | {"expression": args.expression, "folder": args.out}
    config = None
    if not args.check:
        with faults_by_flag(NAMES, MergeConfig):
            config = build_config(MergeConfig, values)  # before the model is read, which takes longer
    app = open_app(args, args.embeddings or args.out)
    check = app.check_expression(args.expression)
    if check.error:
        raise check.error
    results = []
    if config:
        with faults_by_flag(NAMES, MergeConfig):
            results = app.merge(config)
    if args.json:
        advice = [asdict(one) for one in check.advice]
        files = [one.values() for one in results]
        tell(json_line({"rows": check.rows, "advice": advice, "files": files}))
        return 0
    for one in check.advice:
        tell(f"Note: {one.message} {one.hint}", sys.stderr)
    for file in results:
        for note in file.remarks:
            tell(f"Note: {note}", sys.stderr)
    tell(f"{check.rows} vector{'' if check.rows == 1 else 's'}")
    for file in results:
        tell(f"Saved embedding: {file.path}")
    return 0
