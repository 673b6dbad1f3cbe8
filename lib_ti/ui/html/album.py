"""The pictures of a folder with their captions, and the state of their preparation."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from lib_ti.jobs.snapshot import Snapshot
from lib_ti.ui import wording
from lib_ti.ui.html.data_uri import data_uri
from lib_ti.ui.html.markup import Html
from lib_ti.ui.html.notices import empty, failure, warnings
from lib_ti.ui.html.run import bar

if TYPE_CHECKING:
    from lib_ti.picture_folders import Album, Card, Dataset

MOST_WARNINGS = 3
"""More than these are folded away."""


def album(shown: Album, note: str = "", saved: int = 0) -> Html:
    """What is typed into a caption is kept by the script, also from page to page, until it sees the number of its save in `saved`."""
    first = shown.page * shown.per_page + 1
    count = (
        f"{first:,} to {first + len(shown.cards) - 1:,} of {shown.total:,}" if shown.pages > 1 else f"{shown.total:,}"
    )
    return Html(
        '<section class="ti_lab_card ti_lab_album" data-folder="{folder}" data-page="{page}" data-saved="{saved}">'
        '<p class="ti_lab_row"><span class="ti_lab_soft">{count} {noun} in <code>{folder}</code></span>{note}'
        '<span class="ti_lab_chip warn" data-unsaved hidden></span></p><div class="ti_lab_shots">{cards}</div></section>'
    ).format(
        folder=shown.folder,
        page=shown.page,
        saved=saved,
        count=count,
        noun="picture" if shown.total == 1 else "pictures",
        note=Html('<span class="ti_lab_good">{}</span>').if_any(note),
        cards=Html("").join(map(_card, shown.cards)),
    )


def _card(card: Card) -> Html:
    picture = Html("<i></i>")
    if card.thumbnail:
        picture = Html('<img src="{}" alt="{}">').format(data_uri(card.thumbnail, "JPEG"), card.name)
    return Html(
        '<figure>{picture}<figcaption><b title="{place}">{name}</b><span>{size}</span></figcaption>{fault}'
        '<textarea rows="3" spellcheck="false" aria-label="Caption of {name}" data-caption="{name}" placeholder="{hint}">'
        "{caption}</textarea></figure>"
    ).format(
        picture=picture,
        place=card.path,
        name=card.name,
        size=f"{card.size[0]}×{card.size[1]}" if card.size[0] else "",
        fault=Html('<p class="ti_lab_fault">{}</p>').if_any(card.fault),
        hint=wording.FROM_NAME.format(words=card.otherwise) if card.otherwise else wording.NO_WORDS,
        caption=card.caption,
    )


def validation(dataset: Dataset, shapes: dict[tuple[int, int], int]) -> Html:
    """What training would begin with; `shapes`: pictures by (width, height)."""
    return Html(
        '<section class="ti_lab_card"><p><span class="ti_lab_good">{good}</span> '
        '<span class="ti_lab_soft">Trained at {sizes}.</span></p>{notes}</section>'
    ).format(
        good=wording.VALIDATED.format(count=f"{len(dataset.pictures):,}"),
        sizes=", ".join(f"{width}×{height}: {count}" for (width, height), count in shapes.items()),
        notes=warnings(dataset.warnings),
    )


def preparation(snapshot: Snapshot) -> Html:
    """How far the pictures are; nothing where none were ever prepared."""
    if snapshot.state == "idle":
        return empty(wording.DATASET_INTRO)
    state = "running" if snapshot.state == "planning" else snapshot.state
    written = " and ".join(f"{saved.step:,} {saved.kind}" for saved in snapshot.saved)
    return Html(
        '<section class="ti_lab_card ti_lab_progress"><div class="ti_lab_row"><span class="ti_lab_state {state}">{words}</span>'
        '<b class="ti_lab_job">{name}</b></div>{bar}<div class="ti_lab_facts"><span>{status}</span></div>'
        "{failure}{warnings}{result}</section>"
    ).format(
        state=state,
        words="Preparing" if state == "running" else wording.STATES[state],
        name=snapshot.name,
        bar=bar(state, 1.0 if state == "finished" else snapshot.fraction or 0.0),
        status=snapshot.status or (f"{written} written." if written else ""),
        failure=failure(snapshot.failure) if snapshot.failure else "",
        warnings=_warnings(snapshot.warnings),
        result=Html('<p class="ti_lab_result">Saved to <code>{}</code>.</p>').if_any(snapshot.result),
    )


def _warnings(texts: Sequence[str]) -> Html:
    if len(texts) <= MOST_WARNINGS:
        return warnings(texts)
    return Html('<details class="ti_lab_warning"><summary>{} remarks</summary><ul>{}</ul></details>').format(
        len(texts), Html("<li>{}</li>").each(texts)
    )
