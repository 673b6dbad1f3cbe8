"""The list of a folder's embeddings, and which model a file was made on, beside the loaded one."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from lib_ti.host import ModelInfo
from lib_ti.ui import wording
from lib_ti.ui.html.data_uri import find_data_uri
from lib_ti.ui.html.markup import NOTHING, Html
from lib_ti.ui.html.notices import empty, soft_card, warnings

if TYPE_CHECKING:
    from lib_ti.app import Entry

MOST_ROWS = 200
SIDE = 64
"""Pixels of a thumbnail, shown at half of that."""

_HEAD = ("", "Name", "Family", "Vectors", "Step", "Made on", "Date", "Recipe")


def library_list(entries: Sequence[Entry], folder: Path, model: ModelInfo | None, typed: str, total: int) -> Html:
    """`entries` are those of `total` that hold the words `typed`. The script learns which name is clicked by its path."""
    if not entries:
        none = wording.LIBRARY_NO_MATCH.format(count=f"{total:,}") if total else ""
        return empty(none or wording.LIBRARY_EMPTY.format(folder=folder))
    left = len(entries) - MOST_ROWS
    return Html(
        '<section class="ti_lab_card ti_lab_library"><p class="ti_lab_soft">{count} in <code>{folder}</code></p>'
        '<div class="ti_lab_wide"><table><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table></div>{more}</section>'
    ).format(
        count=f"{len(entries):,} of {total:,}" if typed.strip() else f"{total:,}",
        folder=folder,
        head=Html("<th>{}</th>").each(_HEAD),
        rows=Html("").join(_row(entry, model) for entry in entries[:MOST_ROWS]),
        more=Html("<p>{}</p>").format(wording.LIBRARY_MORE.format(count=f"{left:,}")) if left > 0 else "",
    )


def _row(entry: Entry, model: ModelInfo | None) -> Html:
    uri = find_data_uri(entry.thumbnail, SIDE) if entry.thumbnail else None
    picture = Html('<img src="{}" alt="">').if_any(uri)
    header = entry.header
    if header is None:
        return Html(
            '<tr title="{}"><td>{}</td><td>{}</td><td colspan="6"><span class="ti_lab_fault">cannot be read: {}</span></td></tr>'
        ).format(entry.path, picture, entry.name, entry.fault)
    match = entry.match(model) if model else ""
    other_family, other_model = NOTHING, NOTHING
    if model and match == "misfit":
        words = wording.OTHER_FAMILY if header.family != model.family else wording.MISFIT
        other_family = _mark(words, origin(entry, model))
    elif model and match == "other":
        other_model = _mark(wording.OTHER_MODEL, origin(entry, model))
    return Html(
        "<tr><td>{picture}</td><td>{name}</td><td>{family}{other_family}</td><td>{rows}</td><td>{step}</td>"
        '<td>{made_on}{other_model}</td><td class="ti_lab_date">{date}</td><td>{recipe}</td></tr>'
    ).format(
        picture=picture,
        name=_name(entry),
        family=entry.family,
        other_family=other_family,
        rows=header.rows,
        step=header.step or "",
        made_on=header.model_name or header.model_hash,
        other_model=other_model,
        date=entry.date[:10],
        recipe=entry.recipe,
    )


def _name(entry: Entry) -> Html:
    inside = entry.path.relative_to(entry.folder).as_posix()
    button = Html('<button type="button" data-embedding="{}" title="Inspect {}">{}</button>').format(
        inside, entry.path, entry.name
    )
    return button + _mark("name is taken twice", ", ".join(map(str, entry.shadows))) if entry.shadows else button


def _mark(words: str, title: str) -> Html:
    return Html(' <span class="ti_lab_chip warn" title="{}">{}</span>').format(title, words)


def origin(entry: Entry, model: ModelInfo) -> str:
    """A sentence."""
    header, ours = entry.header, _named(model.name, model.short_hash, model.family)
    if header is None or not (header.model_name or header.model_hash):
        return wording.MADE_ON_UNKNOWN.format(ours=ours)
    if entry.match(model) == "this":
        return wording.MADE_HERE.format(ours=ours)
    return wording.MADE_ON.format(theirs=_named(header.model_name, header.model_hash, header.family or ""), ours=ours)


def origin_card(entry: Entry, model: ModelInfo) -> Html:
    """Marked where it is another model, and with the reason where the file cannot be remade for this one."""
    if entry.match(model) == "this":
        return soft_card(origin(entry, model))
    reason = entry.remake_obstacle
    return Html('<section class="ti_lab_card">{}{}</section>').format(
        warnings([origin(entry, model)]),
        Html("<p>{}</p>").format(wording.NO_REMAKE.format(reason=reason)) if reason else "",
    )


def _named(name: str, hash_: str, family: str) -> str:
    about = ", ".join(filter(None, (hash_ if name else "", wording.FAMILIES.get(family, ""))))
    return f"{name or hash_} ({about})" if about else name or hash_
