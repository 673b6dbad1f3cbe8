"""`generate`: pictures from a prompt, with the embeddings of a folder at hand."""

import argparse
import random
import sys
from collections.abc import Iterator
from dataclasses import fields, replace
from pathlib import Path

from lib_ti.atomic import write_atomically
from lib_ti.cli.console import tell
from lib_ti.cli.flags import add_flags, faults_by_flag, given_settings
from lib_ti.cli.model_flags import add_model_flags, open_app
from lib_ti.config.command import GenerateConfig
from lib_ti.config.options import build_config, walk_options
from lib_ti.errors import TIError
from lib_ti.expression.prompt import advise_prompt
from lib_ti.host import ImageRequest
from lib_ti.infotext import infotext, png_with_infotext

FLAGS = {f"--{path.replace('_', '-')}": path for path, *_ in walk_options(GenerateConfig) if path != "prompt"}


def add_command(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    text = "Generate pictures; embeddings are called by their file's name."
    parser = commands.add_parser("generate", help=text, description=text, allow_abbrev=False)
    add_model_flags(parser)
    parser.add_argument("--embeddings", metavar="DIR", default="outputs", help="Folder of embeddings [outputs]")
    parser.add_argument("--prompt", metavar="TEXT", required=True, help="What the picture should show.")
    add_flags(parser, GenerateConfig, FLAGS)
    parser.add_argument(
        "--out", metavar="DIR|FILE.png", default="outputs/pictures", help="A folder, or the one file [outputs/pictures]"
    )
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    with faults_by_flag({**FLAGS, "--prompt": "prompt"}, GenerateConfig):
        config = build_config(GenerateConfig, {"prompt": args.prompt, **given_settings(args, FLAGS)})
    paths = _paths(Path(args.out), config.count)
    app = open_app(args, args.embeddings)
    samplers = app.host.samplers()
    if config.sampler not in samplers:
        raise TIError(f"There is no sampler {config.sampler!r}.", f"Choose one of: {', '.join(samplers)}.")
    for advice in [*advise_prompt(config.prompt), *advise_prompt(config.negative)]:
        tell(f"Note: {advice.message} {advice.hint}", sys.stderr)
    given = {field.name: getattr(config, field.name) for field in fields(ImageRequest)}
    first = ImageRequest(**given | {"seed": config.seed if config.seed >= 0 else random.randrange(2**32)})
    for number in range(config.count):
        request = replace(first, seed=first.seed + number)
        picture = app.generate(request)
        path = next(paths)
        write_atomically(path, png_with_infotext(picture, infotext(request, app.model())))
        tell(f"{path}  seed {request.seed}")
    return 0


def _paths(out: Path, count: int) -> Iterator[Path]:
    """The one named file, or new numbered files in a folder."""
    if out.suffix.lower() != ".png":
        return _numbered(out)
    if count > 1:
        raise TIError(f"{count} pictures do not fit into one file.", "Give --out a folder.", where=str(out))
    return iter([out])


def _numbered(folder: Path) -> Iterator[Path]:
    last = max((int(path.stem) for path in folder.glob("*.png") if path.stem.isdecimal()), default=0)
    while True:
        last += 1
        yield folder / f"{last:05d}.png"
