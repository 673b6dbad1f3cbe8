"""The loaded model and a training run on it, as the page shows them: pure functions of a snapshot; `style.css` has the colours."""

from __future__ import annotations

from collections.abc import Sequence

from lib_ti.config.schedule import Row, Schedule
from lib_ti.events import Judged, PreviewReady
from lib_ti.host import ModelInfo
from lib_ti.jobs.snapshot import Snapshot
from lib_ti.ui import wording
from lib_ti.ui.html import charts
from lib_ti.ui.html.data_uri import LARGE, THUMB, find_data_uri
from lib_ti.ui.html.markup import NOTHING, Html
from lib_ti.ui.html.notices import empty, failure, warnings

MOST_STAGES = 12
"""Rows of a schedule's table."""


def pulse(tick: int | None = None, active: bool = False) -> Html:
    """What the script reads: the number of the newest answer, none before the first, and whether to ask again soon."""
    if tick is None:
        return Html('<i data-tick=""></i>')
    return Html('<i data-tick="{}" data-active="{}"></i>').format(tick, int(active))


def model_header(model: ModelInfo) -> Html:
    facts = [
        wording.FAMILIES.get(model.family, model.family),
        wording.PREDICTIONS.get(model.prediction_type, model.prediction_type),
        f"{model.native_size} px",
        " + ".join(encoder.name for encoder in model.encoders),
        *([model.short_hash] if model.short_hash else []),
    ]
    return _header(model.name, Html('<span class="ti_lab_chip">{}</span>').each(facts))


def pending_model_header(name: str) -> Html:
    """Where the WebUI loads a checkpoint with its first picture, which is no fault."""
    return _header(name, Html('<span class="ti_lab_chip">{}</span>').format(wording.LOADED_LATER))


def no_model_header(message: str) -> Html:
    return _header("No model", Html('<span class="ti_lab_chip bad">{}</span>').format(message))


def _header(name: str, chips: Html) -> Html:
    return Html(
        '<header class="ti_lab_header"><span class="ti_lab_title">{}</span><b class="ti_lab_model">{}</b>{}</header>'
    ).format(wording.TITLE, name, chips)


def progress(snapshot: Snapshot) -> Html:
    if snapshot.state == "idle":
        return empty(wording.NOTHING_RUNS)
    count = NOTHING
    if snapshot.last_step:
        count = Html('<span class="ti_lab_count">{:,} / {:,}</span>').format(snapshot.step, snapshot.last_step)
    return Html(
        '<section class="ti_lab_card ti_lab_progress"><div class="ti_lab_row"><span class="ti_lab_state {state}">{words}</span>'
        '<b class="ti_lab_job">{name}</b>{count}</div>{bar}{facts}{ending}</section>'
    ).format(
        state=snapshot.state,
        words=wording.STATES[snapshot.state],
        name=snapshot.name,
        count=count,
        bar=_bar(snapshot),
        facts=_facts(snapshot),
        ending=_ending(snapshot),
    )


def _bar(snapshot: Snapshot) -> Html:
    done = snapshot.step / snapshot.last_step if snapshot.last_step else (snapshot.fraction or 0.0)
    if snapshot.state == "finished":
        done = 1.0
    return bar(snapshot.state, done)


def bar(state: str, done: float) -> Html:
    """`done` of 1; `state` gives the colour."""
    return Html(
        '<div class="ti_lab_bar {state}" role="progressbar" aria-valuemin="0" aria-valuemax="100" '
        'aria-valuenow="{percent:.0f}"><i style="width:{percent:.2f}%"></i></div>'
    ).format(state=state, percent=100 * done)


def _facts(snapshot: Snapshot) -> Html:
    facts: list[tuple[str, str]] = []
    if snapshot.loss is not None:
        facts.append(("Loss", f"{snapshot.loss:.4f}"))
        facts.append(("Epoch", f"{snapshot.epoch + 1:,}"))
    if snapshot.images_per_second is not None:
        speed = snapshot.images_per_second
        facts.append(("Speed", f"{speed:,.0f} images/s" if speed >= 10 else f"{speed:.2g} images/s"))
    if snapshot.seconds_left is not None:
        facts.append(("Time left", duration(snapshot.seconds_left)))
    words = Html("").join(Html("<span>{} <b>{}</b></span>").format(name, value) for name, value in facts)
    status = snapshot.status
    if status and snapshot.fraction is not None:
        status += f" ({100 * snapshot.fraction:.0f} %)"
    return Html('<div class="ti_lab_facts">{}{}</div>').format(
        words, Html('<span class="ti_lab_status">{}</span>').if_any(status)
    )


def _ending(snapshot: Snapshot) -> Html:
    if snapshot.failure:
        return failure(snapshot.failure)
    result = NOTHING
    if snapshot.state in ("finished", "stopped") and snapshot.result:
        hint = f" {wording.STOPPED_HINT}" if snapshot.state == "stopped" else ""
        result = Html('<p class="ti_lab_result">Saved to <code>{}</code>.{}</p>').format(snapshot.result, hint)
    elif snapshot.state == "stopped":
        result = Html('<p class="ti_lab_result">{}</p>').format(wording.NOTHING_SAVED)
    return warnings(snapshot.warnings) + result + Html("").join(map(_verdict, snapshot.verdicts))


def _verdict(told: Judged) -> Html:
    kind = "good" if told.kind in ("settled", "still learning") else "warning"
    return Html('<p class="ti_lab_{}"><b>{}</b>: {}. <span class="ti_lab_hint">{}</span></p>').format(
        kind, told.kind.capitalize(), told.reason, told.hint
    )


def curves(snapshot: Snapshot) -> Html:
    history = snapshot.history
    if not history.points:
        return empty(wording.NO_CURVE) if snapshot.active else NOTHING
    return Html('<section class="ti_lab_card">{}<div class="ti_lab_pair">{}{}</div></section>').format(
        charts.loss_chart(history, snapshot.measured), charts.rate_chart(history), charts.norms_chart(history)
    )


def preview(shown: PreviewReady, newest: bool = True) -> Html:
    uri = find_data_uri(shown.path, LARGE)
    picture = empty(wording.PREVIEW_GONE)
    if uri:
        picture = Html('<img src="{}" alt="{}">').format(uri, shown.prompt)
    return Html(
        '<figure class="ti_lab_card ti_lab_preview">{picture}<figcaption><b>Step {step:,}</b> <span>{which}, seed {seed}</span>'
        "<q>{prompt}</q></figcaption></figure>"
    ).format(
        picture=picture,
        step=shown.step,
        which="newest preview" if newest else "earlier preview",
        seed=shown.seed,
        prompt=shown.prompt,
    )


def strip(previews: Sequence[PreviewReady], shown: int) -> Html:
    """All previews by step; the number of the one shown large is `shown`. The script sends a click's number back.

    The newest comes first: the style sheet reverses the row, so that a long one begins scrolled to its newest end.
    """
    if len(previews) < 2:
        return NOTHING
    cells = Html("").join(
        Html(
            '<button type="button" data-preview="{number}"{current} title="Show the preview of step {step:,}">{picture}'
            "<span>{step:,}</span></button>"
        ).format(
            number=number,
            current=Html(' aria-current="true"') if number == shown else "",
            step=ready.step,
            picture=Html('<img src="{}" alt="">').if_any(find_data_uri(ready.path, THUMB)),
        )
        for number, ready in reversed(list(enumerate(previews)))
    )
    return Html('<div class="ti_lab_strip">{}</div>').format(cells)


def plan(lines: Sequence[str], remarks: Sequence[str] = (), intro: str = "", open_: bool = True) -> Html:
    """The plan's lines as a table: "Rate: 0.005 for updates 1 to 100" becomes a row named Rate."""
    if not lines:
        return NOTHING
    rows = []
    for line in lines:
        name, colon, text = line.partition(": ")
        if colon:
            rows.append(Html("<tr><th>{}</th><td>{}</td></tr>").format(name, text))
        else:
            rows.append(Html('<tr><td colspan="2">{}</td></tr>').format(line))
    return Html(
        '<details class="ti_lab_card ti_lab_plan"{open_}><summary>Plan</summary>{intro}{remarks}<table>{rows}</table></details>'
    ).format(
        open_=" open" if open_ else "",
        intro=Html('<p class="ti_lab_good">{}</p>').if_any(intro),
        remarks=warnings(remarks),
        rows=Html("").join(rows),
    )


def log(snapshot: Snapshot) -> Html:
    if not snapshot.saved:
        return NOTHING
    rows = Html("").join(
        Html('<tr><td>{:,}</td><td>{}</td><td title="{}">{}</td></tr>').format(
            saved.step, wording.KINDS.get(saved.kind, saved.kind), saved.path, saved.path.name
        )
        for saved in reversed(snapshot.saved)
    )
    return Html(
        '<details class="ti_lab_card ti_lab_log" open><summary>Saved</summary>{folder}<div class="ti_lab_scroll"><table>'
        "<thead><tr><th>Step</th><th>What</th><th>File</th></tr></thead><tbody>{rows}</tbody></table></div></details>"
    ).format(folder=Html("<p>Log folder <code>{}</code></p>").if_any(snapshot.run_folder), rows=rows)


def schedule(schedule: Schedule, last: int, note: str = "") -> Html:
    """The learning rate of updates 1 to `last` as a plot with its table."""
    rows = schedule.table(0, last)

    def rate(row: Row) -> str:
        ends = dict.fromkeys((row.rate, row.last_rate))
        return " – ".join(charts.number(end) + "r" * schedule.relative for end in ends)

    cells = Html("").join(
        Html("<tr><td>{:,} – {:,}</td><td>{}</td></tr>").format(row.first, row.last, rate(row))
        for row in rows[:MOST_STAGES]
    )
    left = len(rows) - MOST_STAGES
    return Html(
        '<div class="ti_lab_schedule">{chart}<table><thead><tr><th>Steps</th><th>Rate</th></tr></thead><tbody>{cells}{more}'
        "</tbody></table></div>{note}"
    ).format(
        chart=charts.schedule_chart(schedule, last),
        cells=cells,
        more=Html('<tr><td colspan="2">and {} more</td></tr>').format(left) if left > 0 else "",
        note=warnings([note] if note else []),
    )


def duration(seconds: float) -> str:
    """75 -> "1 min 15 s", 7260 -> "2 h 1 min"."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    return f"{whole // 3600:,} h {whole % 3600 // 60} min"
