"""The pictures of a folder with their captions, and the state of their preparation, as HTML: pure, like `render`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from lib_ti.jobs.snapshot import Snapshot
from lib_ti.ui import wording
from lib_ti.ui.html import render
from lib_ti.ui.html.data_uri import data_uri
from lib_ti.ui.html.escape import escape

if TYPE_CHECKING:
    from lib_ti.picture_folders import Album, Card, Dataset


def album(shown: Album, note: str = "", saved: int = 0) -> str:
    """What is typed into a caption is kept by the script, also from page to page, until it sees the number of its save in `saved`."""
    first = shown.page * shown.per_page + 1
    count = (
        f"{first:,} to {first + len(shown.cards) - 1:,} of {shown.total:,}" if shown.pages > 1 else f"{shown.total:,}"
    )
    noun = "picture" if shown.total == 1 else "pictures"
    told = f'<span class="ti_lab_good">{escape(note)}</span>' if note else ""
    head = (
        f'<p class="ti_lab_row"><span class="ti_lab_soft">{count} {noun} in <code>{escape(str(shown.folder))}</code></span>'
        f'{told}<span class="ti_lab_chip warn" data-unsaved hidden></span></p>'
    )
    return (
        f'<section class="ti_lab_card ti_lab_album" data-folder="{escape(str(shown.folder))}" data-page="{shown.page}" '
        f'data-saved="{saved}">{head}<div class="ti_lab_shots">{"".join(map(_card, shown.cards))}</div></section>'
    )


def _card(card: Card) -> str:
    name, place = escape(card.name), escape(str(card.path))
    picture = f'<img src="{data_uri(card.thumbnail, "JPEG")}" alt="{name}">' if card.thumbnail else "<i></i>"
    about = f"{card.size[0]}×{card.size[1]}" if card.size[0] else ""
    fault = f'<p class="ti_lab_fault">{escape(card.fault)}</p>' if card.fault else ""
    hint = wording.FROM_NAME.format(words=card.otherwise) if card.otherwise else wording.NO_WORDS
    return (
        f'<figure>{picture}<figcaption><b title="{place}">{name}</b><span>{about}</span></figcaption>{fault}'
        f'<textarea rows="3" spellcheck="false" aria-label="Caption of {name}" data-caption="{name}" '
        f'placeholder="{escape(hint)}">{escape(card.caption)}</textarea></figure>'
    )


def validation(dataset: Dataset, shapes: dict[tuple[int, int], int]) -> str:
    """What training would begin with; `shapes`: pictures by (width, height)."""
    notes = "".join(f'<p class="ti_lab_warning">{escape(text)}</p>' for text in dataset.warnings)
    sizes = ", ".join(f"{width}×{height}: {count}" for (width, height), count in shapes.items())
    good = wording.VALIDATED.format(count=f"{len(dataset.pictures):,}")
    return (
        f'<section class="ti_lab_card"><p><span class="ti_lab_good">{good}</span> '
        f'<span class="ti_lab_soft">Trained at {escape(sizes)}.</span></p>{notes}</section>'
    )


def preparation(snapshot: Snapshot) -> str:
    """How far the pictures are; nothing where none were ever prepared."""
    if snapshot.state == "idle":
        return f'<p class="ti_lab_empty">{wording.DATASET_INTRO}</p>'
    state = "running" if snapshot.state == "planning" else snapshot.state
    words = {**wording.STATES, "running": "Preparing"}[state]
    share = 100 * (1.0 if state == "finished" else snapshot.fraction or 0.0)
    written = " and ".join(f"{saved.step:,} {saved.kind}" for saved in snapshot.saved)
    status = snapshot.status or (f"{written} written." if written else "")
    facts = f'<div class="ti_lab_facts"><span>{escape(status)}</span></div>'
    failed = render.failure(snapshot.failure) if snapshot.failure else ""
    result = ""
    if snapshot.result:
        result = f'<p class="ti_lab_result">Saved to <code>{escape(str(snapshot.result))}</code>.</p>'
    return (
        f'<section class="ti_lab_card ti_lab_progress"><div class="ti_lab_row"><span class="ti_lab_state {state}">{words}</span>'
        f'<b class="ti_lab_job">{escape(snapshot.name)}</b></div><div class="ti_lab_bar {state}" role="progressbar" '
        f'aria-valuemin="0" aria-valuemax="100" aria-valuenow="{share:.0f}"><i style="width:{share:.2f}%"></i></div>'
        f"{facts}{failed}{_warnings(snapshot.warnings)}{result}</section>"
    )


def _warnings(texts: Sequence[str]) -> str:
    if len(texts) <= 3:
        return "".join(f'<p class="ti_lab_warning">{escape(text)}</p>' for text in texts)
    items = "".join(f"<li>{escape(text)}</li>" for text in texts)
    return f'<details class="ti_lab_warning"><summary>{len(texts)} remarks</summary><ul>{items}</ul></details>'
