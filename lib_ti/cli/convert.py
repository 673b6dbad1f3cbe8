"""`convert`: embedding files and folders into another form, or to the other family."""

import argparse
import sys
from dataclasses import asdict
from pathlib import Path

from lib_ti.cli.console import json_line, tell
from lib_ti.cli.flags import add_flags, faults_by_flag, given_settings
from lib_ti.cli.model_flags import add_model_flags, open_app
from lib_ti.config.embeddings import ConvertConfig
from lib_ti.config.options import build_config, walk_options
from lib_ti.errors import TIError

FLAGS = {f"--{path.replace('_', '-')}": path for path, *_ in walk_options(ConvertConfig) if path != "folder"}
"""The folder is --out, which must be given."""


def add_command(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    text = "Convert embedding files and folders."
    parser = commands.add_parser("convert", help=text, description=text, allow_abbrev=False)
    parser.add_argument(
        "files",
        metavar="FILE",
        type=Path,
        nargs="+",
        help="Files or folders; a LoRA's bundled embeddings are extracted.",
    )
    parser.add_argument("--out", metavar="DIR", type=Path, required=True, help="Folder for the new files")
    add_flags(parser, ConvertConfig, FLAGS)
    add_model_flags(parser, None)
    parser.add_argument("--json", action="store_true", help="Print the result as JSON.")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    with faults_by_flag({**FLAGS, "--out": "folder"}, ConvertConfig):
        config = build_config(ConvertConfig, {"folder": args.out, **given_settings(args, FLAGS)})
    if config.clip_g and not (args.model and config.family == "sdxl"):
        raise TIError("--clip-g needs --family sdxl and an SDXL --model to read the text with.")
    if args.model:
        done = open_app(args, str(args.out)).convert(args.files, config)
    else:
        from lib_ti.library.conversion import convert_files

        done = convert_files(args.files, config.form, args.out, config.wanted_family, overwrite=config.overwrite)
    if args.json:
        tell(json_line(asdict(done)))
    else:
        for one in done.written:
            tell("  ".join([f"{one.source} -> {one.target}", *one.notes]))
        for fault in done.faults:
            tell(f"Error: {fault}", sys.stderr)
        tell(f"{len(done.written)} written, {len(done.faults)} not")
    return 2 if done.faults else 0
