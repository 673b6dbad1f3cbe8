"""The command line: the parser, and how errors become exit codes.

0 done    1 the run failed    2 bad settings, pictures, files or usage    130 stopped by the user
"""

import argparse
import re
import sys
from collections.abc import Sequence
from pathlib import Path

from lib_ti.cli import convert, create, dataset, demo, describe, generate, inspect, merge, remake, train, ui
from lib_ti.cli import list as list_
from lib_ti.cli.console import STOPPED, ending_as_by_ctrl_c, say, silence, tell
from lib_ti.cli.flags import called_as
from lib_ti.errors import Busy, HostError, TIError, TrainingFailed
from lib_ti.version import VERSION

COMMANDS = (train, dataset, describe, create, merge, remake, inspect, convert, list_, generate, demo, ui)
_MINUS = re.compile(r"-[-(\s]*'")
_MARK = "\0"


def build_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog=" ".join(called_as()),
        description="Train, create, merge and inspect textual-inversion embeddings, without a WebUI.",
        allow_abbrev=False,
    )
    parser.add_argument("--version", action="version", version=f"TI Lab {VERSION}")
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    for command in COMMANDS:
        command.add_command(commands)
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    arguments = list(sys.argv[1:] if argv is None else argv)
    args = parse(arguments)
    args.argv = arguments
    try:
        with ending_as_by_ctrl_c():
            return int(args.run(args))
    except TIError as error:
        tell(f"Error: {error}", sys.stderr)
        return exit_code(error)
    except KeyboardInterrupt:
        say("Interrupted.")
        return STOPPED
    except BrokenPipeError:  # the reader of our output went away, as `| head` does
        silence()
        return 1


def parse(arguments: Sequence[str]) -> argparse.Namespace:
    """Also expressions that begin with a minus, as `-'cat'` does: argparse would take them for flags, unless something that no
    command line can hold stands in front."""
    marked = [_MARK + word if _MINUS.match(word) else word for word in arguments]
    args = build_parser().parse_args(marked)
    for name, value in vars(args).items():
        setattr(args, name, list(map(_unmarked, value)) if isinstance(value, list) else _unmarked(value))
    return args


def _unmarked(value: object) -> object:
    return type(value)(str(value).removeprefix(_MARK)) if isinstance(value, (str, Path)) else value


def exit_code(error: TIError) -> int:
    return 1 if isinstance(error, (TrainingFailed, HostError, Busy)) else 2
