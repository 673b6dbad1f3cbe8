"""`convert`: embedding files and folders into another form, or to the other family."""

import argparse
import json
import sys
from dataclasses import asdict
from pathlib import Path

from lib_ti.cli.model_flags import add_model_flags, open_app
from lib_ti.errors import TIError

FORMS = ("safetensors", "pt", "diffusers", "png")


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
    parser.add_argument(
        "--to",
        metavar="FORM",
        choices=FORMS,
        default=FORMS[0],
        help="safetensors; pt: A1111's; diffusers; png: a picture that carries it. [safetensors]",
    )
    parser.add_argument("--out", metavar="DIR", type=Path, required=True, help="Folder for the new files")
    parser.add_argument(
        "--family",
        metavar="FAMILY",
        choices=("sd1", "sdxl"),
        help="sdxl: SD1's clip_l, with clip_g zero or from --clip-g; sd1: SDXL's clip_l alone.",
    )
    parser.add_argument("--clip-g", metavar="TEXT", default="", help="Words for clip_g; needs an SDXL --model.")
    parser.add_argument("--overwrite", action="store_true", help="Replace files that exist.")
    add_model_flags(parser, None)
    parser.add_argument("--json", action="store_true", help="Print the result as JSON.")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    if args.clip_g and not (args.model and args.family == "sdxl"):
        raise TIError("--clip-g needs --family sdxl and an SDXL --model to read the text with.")
    if args.model:
        app = open_app(args, str(args.out))
        done = app.convert(args.files, args.to, args.out, args.family, args.clip_g, args.overwrite)
    else:
        from lib_ti.library.conversion import convert_files

        done = convert_files(args.files, args.to, args.out, args.family, overwrite=args.overwrite)
    if args.json:
        print(json.dumps(asdict(done), ensure_ascii=False, default=str))
    else:
        for one in done.written:
            print("  ".join([f"{one.source} -> {one.target}", *one.notes]))
        for fault in done.faults:
            print(f"Error: {fault}", file=sys.stderr)
        print(f"{len(done.written)} written, {len(done.faults)} not")
    return 2 if done.faults else 0
