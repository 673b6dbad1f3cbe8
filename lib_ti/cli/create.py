"""`create`: a new embedding from words, another file, zeros or at random."""

import argparse
import sys

from lib_ti.cli.console import json_line, tell
from lib_ti.cli.flags import add_flags, faults_by_flag, given_settings
from lib_ti.cli.model_flags import add_host_flags, open_app
from lib_ti.config.embeddings import CreateConfig
from lib_ti.config.options import build_config, walk_options

FLAGS = {f"--{path}": path for path, *_ in walk_options(CreateConfig) if path != "folder"}  # the folder is --out


def add_command(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    text = "Create an embedding to start from or to try."
    parser = commands.add_parser("create", help=text, description=text, allow_abbrev=False)
    add_flags(parser, CreateConfig, FLAGS)
    add_host_flags(parser, "Folder for the embedding, NAME.safetensors")
    parser.add_argument("--json", action="store_true", help="Print the result as JSON.")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    values = given_settings(args, FLAGS)
    if "file" in values:
        values.setdefault("source", "embedding")
    with faults_by_flag({**FLAGS, "--out": "folder"}, CreateConfig):
        config = build_config(CreateConfig, values)  # before the model is read, which takes longer
        result = open_app(args, args.out).create(config)
    if args.json:
        tell(json_line(result.values()))
        return 0
    for note in result.remarks:
        tell(f"Note: {note}", sys.stderr)
    tell(f"Saved embedding: {result.path}")
    return 0
