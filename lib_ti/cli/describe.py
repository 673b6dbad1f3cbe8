"""`describe`: pictures in the words of a model, found by the model itself."""

from __future__ import annotations

import argparse
import sys
from dataclasses import asdict
from typing import TYPE_CHECKING

from lib_ti.cli.console import STOPPED, json_line, stopping_gently, tell
from lib_ti.cli.flags import add_flags, faults_by_flag, given_settings
from lib_ti.cli.model_flags import add_model_flags, open_app
from lib_ti.cli.tables import format_table
from lib_ti.config.describe import DescribeConfig
from lib_ti.config.options import build_config
from lib_ti.control import Control
from lib_ti.errors import visible
from lib_ti.events import Event, Status, Warned

if TYPE_CHECKING:
    from lib_ti.app import Description

FLAGS = {
    "--words": "words",
    "--whole": "whole",
    "--among": "among",
    "--prompt": "prompt",
    "--start": "start",
    "--candidates": "candidates",
    "--samples": "samples",
    "--at-once": "at_once",
    "--clip-skip": "clip_skip",
    "--checkpointing": "checkpointing",
    "--seed": "seed",
}


def add_command(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    text = "Find the words in which a model itself says most of some pictures."
    parser = commands.add_parser("describe", help=text, description=text, allow_abbrev=False)
    parser.add_argument("pictures", metavar="DIR", help="Folder of the pictures; nothing in it is changed.")
    add_flags(parser, DescribeConfig, FLAGS)
    parser.add_argument("--embeddings", metavar="DIR", default="outputs", help="Folder of embeddings [outputs]")
    add_model_flags(parser)
    parser.add_argument("--json", action="store_true", help="Print it as JSON.")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    values = given_settings(args, FLAGS) | {"pictures": args.pictures}
    control, progress = Control(), _Progress()
    with faults_by_flag({**FLAGS, "DIR": "pictures"}, DescribeConfig):
        config = build_config(DescribeConfig, values)  # before the model is read, which takes longer
        with stopping_gently(control, "this candidate"):
            found = open_app(args, args.embeddings).describe(config, progress, control)
    progress.wipe()
    if args.json:
        tell(json_line({**asdict(found), "share": found.share}))
    else:
        tell("\n".join(_lines(found, config.start)))
    return STOPPED if found.stopped else 0


def _lines(found: Description, start: str) -> list[str]:
    rows = [
        (
            one.text,
            f"{one.loss:.4f}",
            f"{one.share:.1%}",
            ", ".join(f"{other.text} {other.loss:.4f}" for other in one.others),
        )
        for one in found.words
    ]
    work = f"{found.pictures} pictures; as much work as learning from {found.images:g}"
    lines = format_table(("word", "loss", "less by", "next best"), rows, right={1, 2}) if rows else []
    return [
        f"Loss with {start!r}: {found.start_loss:.4f}",
        *lines,
        *(["Stopped before the search was done."] if found.stopped else []),
        f"All words: {found.share:.1%} less. {work}",
        *([f"They say no more of the pictures than {start!r}."] if rows and found.share <= 0 else []),
        *([f"As an expression: {found.expression}"] if rows else []),
    ]


class _Progress:
    """Warnings, and on a terminal a line that tells how far the search is."""

    def __init__(self) -> None:
        self._width = 0

    def __call__(self, event: Event) -> None:
        if isinstance(event, Warned):
            self.wipe()
            tell(f"Warning: {event.text}", sys.stderr)
        elif isinstance(event, Status) and sys.stderr.isatty():
            self.wipe()
            sys.stderr.write(visible(event.text))
            sys.stderr.flush()
            self._width = len(event.text)

    def wipe(self) -> None:
        if self._width:
            sys.stderr.write("\r" + " " * self._width + "\r")
            self._width = 0
