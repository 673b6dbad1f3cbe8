"""Settings on the command line. Defaults, help and limits stand in `lib_ti/config`; here only the short flags are named."""

import argparse
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import yaml
from yaml.error import MarkedYAMLError

from lib_ti.config.options import Option, flatten, labels, walk_options
from lib_ti.errors import FaultList, TIError
from lib_ti.reading import read_json, read_text

MAX_SETTINGS_BYTES = 256 * 1024
DEEPEST_SETTINGS = 20
"""Of a settings file. Ours have two levels and some kilobytes."""


def called_as() -> list[str]:
    """The words that began this command: those of an installed package, or those of the repository."""
    return ["ti-lab"] if Path(sys.argv[0]).stem == "ti-lab" else ["python", "-m", "lib_ti"]


def add_flags(
    parser: argparse.ArgumentParser, config: type, flags: Mapping[str, str], defaults: Mapping[str, Any] | None = None
) -> None:
    """One argument for each flag -> dotted path of `config`. What is not given stays out of the parsed arguments; `defaults` go
    over the config's own in what is told of them."""
    known = {path: (kind, default, about) for path, kind, default, about in walk_options(config)}
    group = parser.add_argument_group("settings")
    for flag, path in flags.items():
        kind, default, about = known[path]
        default = (defaults or {}).get(path, default)
        metavar = about.metavar or {int: "N", float: "X"}.get(kind, path.rpartition(".")[2].upper())
        extra: dict[str, Any] = {"metavar": metavar}
        if kind is bool:
            extra = {"action": "store_const", "const": True}
        if about.lines > 1:
            extra["action"] = "append"
        group.add_argument(flag, dest=path, default=argparse.SUPPRESS, help=_help(kind, default, about), **extra)


def add_any_setting(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("any other setting (docs/settings.md lists them all)")
    group.add_argument(
        "--set", metavar="PART.FIELD=VALUE", action="append", default=[], help="Set any setting; may be repeated."
    )
    group.add_argument(
        "--config", metavar="FILE", type=Path, help="Settings from a .yaml or .json file; flags and --set go over it."
    )


def given_settings(args: argparse.Namespace, flags: Mapping[str, str]) -> dict[str, Any]:
    """Flat values by dotted path: the file's, over them those of --set, over them those of flags."""
    values: dict[str, Any] = {}
    if getattr(args, "config", None):
        values |= load_settings(args.config)
    for text in getattr(args, "set", []):
        path, equals, value = text.partition("=")
        if not equals:
            raise TIError(f"--set {text!r} has no value.", "Write it as --set part.field=value.")
        values[path.strip()] = value
    return values | {path: getattr(args, path) for path in flags.values() if hasattr(args, path)}


def load_settings(path: Path) -> dict[str, Any]:
    """Nested or dotted settings of a YAML or JSON file, flat. YAML's values stay text: `1:30` is a schedule, not 90."""
    try:
        text = read_text(path, MAX_SETTINGS_BYTES)
        loaded = read_json(text) if path.suffix.lower() == ".json" else yaml.load(text, Loader=_PlainLoader)
    except OSError as error:
        raise TIError(f"The settings file cannot be read: {error.strerror}.", where=str(path)) from error
    except MarkedYAMLError as error:
        at = error.problem_mark or error.context_mark
        place = f"line {at.line + 1}, column {at.column + 1}: " if at else ""
        reason = " ".join(filter(None, (error.context, error.problem)))
        raise TIError(f"This is not a settings file: {place}{reason}.", error.note or "", str(path)) from error
    except (yaml.YAMLError, ValueError) as error:
        raise TIError(f"This is not a settings file: {error}", where=str(path)) from error
    if not isinstance(loaded, dict):
        raise TIError("A settings file holds names with values, such as `optim: {lr: 0.005}`.", where=str(path))
    return flatten({str(key): value for key, value in loaded.items()})


class _PlainLoader(yaml.BaseLoader):
    """Texts, lists and tables as they are written. Aliases, which make a world of two lines, are refused, and so is depth."""

    _depth = 0

    def compose_node(self, parent: Any, index: Any) -> Any:
        at = self.peek_event().start_mark  # type: ignore[no-untyped-call]
        if self.check_event(yaml.AliasEvent):
            hint = "Write the values out where they belong."
            raise MarkedYAMLError(problem="aliases (*name) are not read", problem_mark=at, note=hint)
        if self._depth >= DEEPEST_SETTINGS:
            raise MarkedYAMLError(problem=f"it is nested more than {DEEPEST_SETTINGS} deep", problem_mark=at)
        self._depth += 1
        try:
            return super().compose_node(parent, index)
        finally:
            self._depth -= 1


@contextmanager
def faults_by_flag(flags: Mapping[str, str], config: type, any_setting: bool = False) -> Iterator[None]:
    """Faults of settings are told by what the user wrote: the flag, or --set where there is none and the command takes
    `any_setting`; what cannot be written is told by its label."""
    names = {path: f"--set {path}" if any_setting else label for path, label in labels(config).items()}
    names |= {path: flag for flag, path in flags.items()}
    try:
        yield
    except FaultList as error:
        raise error.renamed(names) from None
    except TIError as error:
        error.where = names.get(error.where, error.where)
        raise


def _help(kind: type, default: Any, about: Option) -> str:
    unnamed = any(choice not in about.help for choice in about.choices)
    choices = f" One of: {', '.join(about.choices)}." if unnamed else ""
    figure = f"{default:g}" if kind is float else default
    shown = "" if about.required or kind is bool or default == "" else f" [{figure}]"
    return (about.help + choices + shown).replace("%", "%%")
