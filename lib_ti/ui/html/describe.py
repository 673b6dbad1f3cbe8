"""Pictures in the model's own words: how far the search is, then the words with bars."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lib_ti.jobs.snapshot import Snapshot
from lib_ti.ui import wording
from lib_ti.ui.html.markup import NOTHING, Html
from lib_ti.ui.html.notices import failure, warnings
from lib_ti.ui.html.run import bar

if TYPE_CHECKING:
    from lib_ti.app import Description, FoundWord


def description(snapshot: Snapshot, found: Description | None) -> Html:
    """Of the newest search; nothing where there was none."""
    if snapshot.state == "idle":
        return NOTHING
    if snapshot.failure:
        return failure(snapshot.failure)
    if snapshot.active or found is None:
        return _progress(snapshot)
    return Html('<section class="ti_lab_card ti_lab_words">{stopped}{words}{cost}{warnings}</section>').format(
        stopped=Html('<p class="ti_lab_warning">{}</p>').if_any(wording.DESCRIBE_STOPPED if found.stopped else ""),
        words=(_table(found) if found.words else NOTHING)
        + Html('<p class="ti_lab_warning">{}</p>').if_any("" if found.share > 0 else wording.NO_WORD),
        cost=Html('<p class="ti_lab_soft">{}</p>').format(
            wording.DESCRIBED.format(share=_percent(found.share), pictures=found.pictures, images=f"{found.images:,g}")
        ),
        warnings=warnings(snapshot.warnings),
    )


def _progress(snapshot: Snapshot) -> Html:
    return Html(
        '<section class="ti_lab_card ti_lab_progress"><div class="ti_lab_row"><span class="ti_lab_state running">{}</span>'
        '</div>{}<div class="ti_lab_facts"><span>{}</span></div></section>'
    ).format(
        wording.STATES["stopping"] if snapshot.state == "stopping" else wording.DESCRIBING,
        bar("running", snapshot.fraction or 0.0),
        snapshot.status,
    )


def _table(found: Description) -> Html:
    most = max(word.share for word in found.words)
    rows = Html("").join(_row(word, max(0.0, word.share) / most if most > 0 else 0.0) for word in found.words)
    head = Html("<th>{}</th>").each(wording.WORD_COLUMNS)
    return Html(
        '<div class="ti_lab_wide"><table><thead><tr>{}</tr></thead><tbody>{}</tbody></table></div>'
        "<p><code>{}</code></p>"
    ).format(head, rows, found.expression)


def _row(word: FoundWord, part: float) -> Html:
    others = Html("").join(Html("<span>{} <i>{:.4f}</i></span>").format(one.text, one.loss) for one in word.others)
    return Html(
        '<tr><td><b>{}</b></td><td>{}</td><td>{} %</td><td>{:.4f}</td><td class="ti_lab_near">{}</td></tr>'
    ).format(word.text, bar("", part), _percent(word.share), word.loss, others)


def _percent(share: float) -> str:
    return f"{100 * share:.1f}"
