"""The list of a folder's embeddings as HTML, and which model a file was made on, beside the loaded one: pure, like `run`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from lib_ti.host import ModelInfo
from lib_ti.ui import wording
from lib_ti.ui.html.data_uri import find_data_uri
from lib_ti.ui.html.escape import escape

if TYPE_CHECKING:
    from lib_ti.app import Entry


MOST_ROWS = 200
SIDE = 64
"""Pixels of a thumbnail, shown at half of that."""


def library_list(entries: Sequence[Entry], folder: Path, model: ModelInfo | None, typed: str, total: int) -> str:
    """`entries` are those of `total` that hold the words `typed`. A click on a name is told to the script by its path."""
    if not entries:
        words = wording.LIBRARY_NO_MATCH.format(count=f"{total:,}") if total else ""
        return f'<p class="ti_lab_empty">{escape(words or wording.LIBRARY_EMPTY.format(folder=folder))}</p>'
    rows = "".join(_row(entry, model) for entry in entries[:MOST_ROWS])
    count = f"{len(entries):,} of {total:,}" if typed.strip() else f"{total:,}"
    more = len(entries) - MOST_ROWS
    rest = f"<p>{wording.LIBRARY_MORE.format(count=f'{more:,}')}</p>" if more > 0 else ""
    head = "".join(
        f"<th>{name}</th>" for name in ("", "Name", "Family", "Vectors", "Step", "Made on", "Date", "Recipe")
    )
    return (
        f'<section class="ti_lab_card ti_lab_library"><p class="ti_lab_soft">{count} in <code>{escape(str(folder))}</code></p>'
        f'<div class="ti_lab_wide"><table><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table></div>{rest}</section>'
    )


def _row(entry: Entry, model: ModelInfo | None) -> str:
    uri = find_data_uri(entry.thumbnail, SIDE) if entry.thumbnail else None
    picture = f'<img src="{uri}" alt="">' if uri else ""
    place = escape(str(entry.path))
    header = entry.header
    if header is None:
        fault = f'<span class="ti_lab_fault">cannot be read: {escape(entry.fault)}</span>'
        return f'<tr title="{place}"><td>{picture}</td><td>{escape(entry.name)}</td><td colspan="6">{fault}</td></tr>'
    inside = escape(entry.path.relative_to(entry.folder).as_posix())
    name = f'<button type="button" data-embedding="{inside}" title="Inspect {place}">{escape(entry.name)}</button>'
    if entry.shadows:
        others = escape(", ".join(str(path) for path in entry.shadows))
        name += f' <span class="ti_lab_chip warn" title="{others}">name is taken twice</span>'
    family, made_on = escape(entry.family), escape(header.model_name or header.model_hash)
    if model:
        match = entry.match(model)
        if match == "misfit":
            family += _mark(
                wording.OTHER_FAMILY if header.family != model.family else wording.MISFIT, origin(entry, model)
            )
        elif match == "other":
            made_on += _mark(wording.OTHER_MODEL, origin(entry, model))
    numbers = f"<td>{header.rows}</td><td>{header.step or ''}</td>"
    return (
        f"<tr><td>{picture}</td><td>{name}</td><td>{family}</td>{numbers}<td>{made_on}</td>"
        f'<td class="ti_lab_date">{escape(entry.date[:10])}</td><td>{escape(entry.recipe)}</td></tr>'
    )


def _mark(words: str, title: str) -> str:
    return f' <span class="ti_lab_chip warn" title="{escape(title)}">{words}</span>'


def origin(entry: Entry, model: ModelInfo) -> str:
    """A sentence."""
    header, ours = entry.header, _named(model.name, model.short_hash, model.family)
    if header is None or not (header.model_name or header.model_hash):
        return wording.MADE_ON_UNKNOWN.format(ours=ours)
    if entry.match(model) == "this":
        return wording.MADE_HERE.format(ours=ours)
    return wording.MADE_ON.format(theirs=_named(header.model_name, header.model_hash, header.family or ""), ours=ours)


def origin_card(entry: Entry, model: ModelInfo) -> str:
    """HTML; marked where it is another model, and with the reason where the file cannot be made again for this one."""
    if entry.match(model) == "this":
        return f'<p class="ti_lab_card ti_lab_soft">{escape(origin(entry, model))}</p>'
    reason = entry.remake_obstacle
    told = f"<p>{escape(wording.NO_REMAKE.format(reason=reason))}</p>" if reason else ""
    return f'<section class="ti_lab_card"><p class="ti_lab_warning">{escape(origin(entry, model))}</p>{told}</section>'


def _named(name: str, hash_: str, family: str) -> str:
    about = ", ".join(filter(None, (hash_ if name else "", wording.FAMILIES.get(family, ""))))
    return f"{name or hash_} ({about})" if about else name or hash_
