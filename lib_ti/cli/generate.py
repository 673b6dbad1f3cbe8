"""`generate`: pictures from a prompt, with the embeddings of a folder at hand."""

import argparse
import random
from collections.abc import Iterator
from dataclasses import fields, replace
from pathlib import Path

from PIL.PngImagePlugin import PngInfo

from lib_ti.cli.model_flags import add_model_flags, open_app
from lib_ti.errors import TIError
from lib_ti.host import ImageRequest
from lib_ti.infotext import infotext

_DEFAULT = {field.name: field.default for field in fields(ImageRequest)}


def add_command(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    text = "Generate pictures; embeddings are called by their file's name."
    parser = commands.add_parser("generate", help=text, description=text, allow_abbrev=False)
    add_model_flags(parser)
    parser.add_argument("--embeddings", metavar="DIR", default="outputs", help="Folder of embeddings [outputs]")
    parser.add_argument("--prompt", metavar="TEXT", required=True, help="What the picture should show")
    parser.add_argument("--negative", metavar="TEXT", default="", help="What the picture should not show")
    parser.add_argument("--steps", metavar="N", type=int, default=_DEFAULT["steps"], help="Sampler steps [20]")
    parser.add_argument("--cfg", metavar="X", type=float, default=_DEFAULT["cfg"], help="CFG scale [7]")
    parser.add_argument("--sampler", metavar="NAME", default=_DEFAULT["sampler"], help="Sampler [DPM++ 2M]")
    parser.add_argument("--seed", metavar="N", type=int, default=-1, help="Of the first picture; -1 draws one [-1]")
    parser.add_argument("--width", metavar="N", type=int, default=0, help="0 is the model's own size [0]")
    parser.add_argument("--height", metavar="N", type=int, default=0, help="0 is the model's own size [0]")
    parser.add_argument("--clip-skip", metavar="N", type=int, default=1, help="1 is the encoder's last layer [1]")
    parser.add_argument("--count", metavar="N", type=int, default=1, help="Pictures; each has the next seed [1]")
    parser.add_argument(
        "--out", metavar="DIR|FILE.png", default="outputs/pictures", help="A folder, or the one file [outputs/pictures]"
    )
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    if args.count < 1:
        raise TIError(f"{args.count} pictures cannot be made.", "Give a --count of 1 or more.")
    paths = _paths(Path(args.out), args.count)
    app = open_app(args, args.embeddings)
    samplers = app.host.samplers()
    if args.sampler not in samplers:
        raise TIError(f"There is no sampler {args.sampler!r}.", f"Choose one of: {', '.join(samplers)}.")
    given = {name: getattr(args, name) for name in _DEFAULT}
    first = ImageRequest(**given | {"seed": args.seed if args.seed >= 0 else random.randrange(2**32)})
    for number in range(args.count):
        request = replace(first, seed=first.seed + number)
        picture = app.generate(request)
        path = next(paths)
        path.parent.mkdir(parents=True, exist_ok=True)
        about = PngInfo()
        about.add_text("parameters", infotext(request, app.model()))
        picture.save(path, pnginfo=about)
        print(f"{path}  seed {request.seed}")
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
