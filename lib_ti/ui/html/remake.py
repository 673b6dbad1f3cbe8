"""Files that are remade for the loaded model: how far that is, and what came of it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from lib_ti.jobs.snapshot import Snapshot
from lib_ti.library_job import Progress
from lib_ti.ui import wording
from lib_ti.ui.html.markup import NOTHING, Html
from lib_ti.ui.html.notices import empty, failure
from lib_ti.ui.html.run import duration

if TYPE_CHECKING:
    from lib_ti.app import RemakeResult

MOST_NAMES = 20
"""Files named for one reason why they could not be remade."""


def library_job(snapshot: Snapshot, progress: Progress) -> Html:
    """How far the newest job is that remakes files, then what came of it; nothing where there was none."""
    if snapshot.state == "idle":
        return NOTHING
    if snapshot.active:
        return _card(snapshot, progress)
    if snapshot.failure:
        return failure(snapshot.failure)
    return _summary(progress, snapshot.state == "stopped")


def _card(snapshot: Snapshot, progress: Progress) -> Html:
    counts, left = "", NOTHING
    if progress.total:
        counts = wording.REMAKE_PROGRESS.format(done=len(progress.done), total=progress.total)
    if progress.seconds_left is not None:
        left = Html("Time left <b>{}</b>").format(duration(progress.seconds_left))
    return Html(
        '<section class="ti_lab_card ti_lab_progress"><div class="ti_lab_row"><span class="ti_lab_state running">{state}</span>'
        '<b>{status}</b><span class="ti_lab_count">{counts}</span></div><div class="ti_lab_bar" role="progressbar">'
        '<i style="width:{percent:.2f}%"></i></div><div class="ti_lab_facts"><span>{left}</span></div></section>'
    ).format(
        state=wording.STATES["stopping"] if snapshot.state == "stopping" else wording.REMAKING,
        status=snapshot.status,
        counts=counts,
        percent=100 * (snapshot.fraction or 0),
        left=left,
    )


def _summary(progress: Progress, stopped: bool) -> Html:
    done = progress.done
    if not done and not stopped:
        return empty(wording.REMAKE_NOTHING)
    results, faults = [one.made for one in done if one.made], [one for one in done if one.made is None]
    counts = wording.REMAKE_DONE.format(made=len(results), faults=len(faults))
    if stopped:
        counts += " " + wording.REMAKE_STOPPED.format(left=progress.total - len(done))
    noted = [f"{one.name}: {' '.join(one.notes)}" for one in results if one.notes]
    if len(noted) > MOST_NAMES:
        noted[MOST_NAMES:] = [wording.REMAKE_MORE.format(count=len(noted) - MOST_NAMES)]
    return Html('<section class="ti_lab_card"><p class="{colour}">{counts}</p>{notes}{faults}</section>').format(
        colour="ti_lab_good" if results else "ti_lab_warning",
        counts=counts,
        notes=Html("<p>{}</p>").each(noted),
        faults=remake_faults(faults),
    )


def remake_faults(faults: Sequence[RemakeResult]) -> Html:
    """By reason, with the files that it is true of."""
    names: dict[str, list[str]] = {}
    for one in faults:
        names.setdefault(one.fault, []).append(one.path.stem)
    items = Html("").join(
        Html("<li><b>{}:</b> {}</li>").format(_listed(files), reason) for reason, files in names.items()
    )
    return Html('<div class="ti_lab_failure" role="alert"><ul>{}</ul></div>').if_any(items)


def _listed(names: Sequence[str]) -> str:
    more = [wording.REMAKE_MORE.format(count=len(names) - MOST_NAMES)] if len(names) > MOST_NAMES else []
    return ", ".join([*names[:MOST_NAMES], *more])
