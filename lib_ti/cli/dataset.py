"""`dataset`: a folder of pictures made into a data set, without a model."""

import argparse
import sys
from typing import Any

from lib_ti.cli.console import STOPPED, JsonLines, Outlasting, stopping_gently, tell
from lib_ti.cli.flags import add_any_setting, add_flags, faults_by_flag, given_settings
from lib_ti.config.dataset import DatasetConfig
from lib_ti.config.options import build_config
from lib_ti.control import Control
from lib_ti.errors import TIError, visible
from lib_ti.events import Event, Failed, Finished, Saved, Status, Warned
from lib_ti.picture_folders import PictureFolders

FLAGS = {
    "--width": "size.width",
    "--height": "size.height",
    "--split": "split.on",
    "--split-threshold": "split.threshold",
    "--overlap": "split.overlap",
    "--focal-crop": "focal.on",
    "--entropy-weight": "focal.entropy_weight",
    "--edges-weight": "focal.edges_weight",
    "--debug": "focal.debug",
    "--auto-size": "sized.on",
    "--min-side": "sized.min_side",
    "--max-side": "sized.max_side",
    "--min-area": "sized.min_area",
    "--max-area": "sized.max_area",
    "--objective": "sized.objective",
    "--size-error": "sized.threshold",
    "--flip": "flip.horizontal",
    "--flip-vertical": "flip.vertical",
    "--flip-both": "flip.both",
    "--caption": "captions.by",
    "--words": "captions.words",
    "--existing": "captions.existing",
    "--overwrite": "folders.overwrite",
}
PLACES = {"SOURCE": "folders.source", "DESTINATION": "folders.destination"}


def add_command(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    text = "Make a folder of pictures into a data set: crops, pieces, flipped copies, captions."
    parser = commands.add_parser("dataset", help=text, description=text, allow_abbrev=False)
    parser.add_argument(
        "source", metavar="SOURCE", help="Folder of the pictures as they are; nothing in it is changed."
    )
    parser.add_argument(
        "destination",
        metavar="DESTINATION",
        nargs="?",
        default="",
        help="Where the prepared pictures go; without it, captions go beside the pictures as they are.",
    )
    add_flags(parser, DatasetConfig, FLAGS)
    add_any_setting(parser)
    parser.add_argument("--json", action="store_true", help="Print each event as one line of JSON, and nothing else.")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    places = {"folders.source": args.source, "folders.destination": args.destination}
    values: dict[str, Any] = given_settings(args, FLAGS) | places
    listener: Lines | JsonLines = JsonLines() if args.json else Lines()
    control = Control()
    try:
        with (
            faults_by_flag({**FLAGS, **PLACES}, DatasetConfig, any_setting=True),
            stopping_gently(control, "this picture"),
        ):
            config = build_config(DatasetConfig, values)
            PictureFolders().prepare(config, Outlasting(listener, control), control)
    except TIError as error:
        listener(Failed(error.message, error.hint))
        raise
    return STOPPED if listener.finished and listener.finished.stopped else 0


class Lines:
    """Listens to a preparation: a line that tells the picture, where there is a terminal, and one for all that was made."""

    def __init__(self) -> None:
        self.finished: Finished | None = None
        self._width = 0

    def __call__(self, event: Event) -> None:
        self._show(event.text if isinstance(event, Status) else "")
        match event:
            case Warned():
                tell(f"Warning: {event.text}")
            case Saved():
                tell(f"{event.step} {event.kind} written to {event.path}")
            case Finished():
                self.finished = event
                tell(f"{'Stopped after' if event.stopped else 'Done:'} {event.step} of the source's pictures")

    def _show(self, text: str) -> None:
        """On a terminal a line that the next one replaces."""
        if sys.stderr.isatty():
            sys.stderr.write("\r" + " " * self._width + "\r" + visible(text))
            sys.stderr.flush()
            self._width = len(text)
