"""`list`: the embeddings of a folder, by their headers."""

import argparse
from dataclasses import asdict
from pathlib import Path

from lib_ti.cli.console import json_line, tell
from lib_ti.cli.model_flags import add_model_flags, open_app
from lib_ti.cli.tables import format_table
from lib_ti.errors import TIError, visible
from lib_ti.formats.files import Header
from lib_ti.host import ModelInfo
from lib_ti.library.listing import Entry, filter_entries, list_library

_MATCH = {"this": "", "other": "other model", "unknown": "", "misfit": "does not fit"}


def add_command(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    text = "List the embeddings of a folder."
    parser = commands.add_parser("list", help=text, description=text, allow_abbrev=False)
    parser.add_argument("folder", metavar="FOLDER", nargs="?", default="outputs", help="[outputs]")
    parser.add_argument(
        "--filter", metavar="WORDS", default="", help="Only those that hold every word: in name, model, recipe ..."
    )
    parser.add_argument("--logs", metavar="DIR", help="Folder of runs' copies, which are left out [FOLDER/logs]")
    add_model_flags(parser, None)
    parser.add_argument("--json", action="store_true", help="Print them as JSON.")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    folder = Path(args.folder)
    if not folder.is_dir():
        raise TIError("There is no such folder.", "Give the folder that your embeddings are in.", str(folder))
    entries = filter_entries(list_library(folder, Path(args.logs) if args.logs else folder / "logs"), args.filter)
    model = open_app(args, str(folder)).model() if args.model else None
    if args.json:
        tell(json_line([_values(entry, model) for entry in entries]))
        return 0
    head = ("name", "family", "vectors", "step", "date", "made on", "file", "recipe")
    readable = [_cells(entry, entry.header, model) for entry in entries if entry.header]
    tell("\n".join(format_table(head, readable, right={2, 3})))
    for entry in entries:
        if entry.fault:
            tell(f"{_one_line(str(entry.path.relative_to(folder)))} cannot be read: {entry.fault}")
    tell(f"{len(readable)} embedding{'' if len(readable) == 1 else 's'}")
    return 0


def _values(entry: Entry, model: ModelInfo | None) -> dict[str, object]:
    matched = {"match": entry.match(model)} if model else {}
    about = asdict(entry.header) if entry.header else {}
    return {
        **about,
        "name": entry.name,
        "path": entry.path,
        "date": entry.date,
        "made": entry.recipe,
        "fault": entry.fault,
        "thumbnail": entry.thumbnail,
        "shadows": entry.shadows,
        **matched,
    }


def _cells(entry: Entry, header: Header, model: ModelInfo | None) -> tuple[str, ...]:
    made_on = header.model_name or header.model_hash
    if model and (remark := _MATCH[entry.match(model)]):
        made_on = f"{made_on} ({remark})".strip()
    name = entry.name + (" (another file has this name)" if entry.shadows else "")
    numbers, place = (str(header.rows), str(header.step)), entry.path.relative_to(entry.folder)
    return (name, entry.family, *numbers, entry.date[:10], made_on, _one_line(str(place)), entry.recipe)


def _one_line(name: str) -> str:
    """Or a file could be called as if there were two."""
    return visible(name).replace("\n", "?")
