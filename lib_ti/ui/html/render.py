"""Snapshot in, HTML out: pure functions, all words of users and files escaped, all colours left to `style.css`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from lib_ti.errors import Fault
from lib_ti.events import Failed, PreviewReady
from lib_ti.host import ModelInfo
from lib_ti.jobs.snapshot import Snapshot
from lib_ti.ui import wording
from lib_ti.ui.html import charts
from lib_ti.ui.html.data_uri import LARGE, THUMB, find_data_uri
from lib_ti.ui.html.escape import escape

if TYPE_CHECKING:
    from lib_ti.app import Result


def model_header(model: ModelInfo) -> str:
    encoders = " + ".join(encoder.name for encoder in model.encoders)
    facts = [
        wording.FAMILIES.get(model.family, model.family),
        wording.PREDICTIONS.get(model.prediction_type, model.prediction_type),
        f"{model.native_size} px",
        encoders,
        *([model.short_hash] if model.short_hash else []),
    ]
    chips = "".join(f'<span class="ti_lab_chip">{escape(fact)}</span>' for fact in facts)
    return _header(f'<b class="ti_lab_model">{escape(model.name)}</b>{chips}')


def pending_model_header(name: str) -> str:
    """Where the WebUI loads a checkpoint with its first picture, which is no fault."""
    return _header(f'<b class="ti_lab_model">{escape(name)}</b><span class="ti_lab_chip">{wording.LOADED_LATER}</span>')


def no_model_header(message: str) -> str:
    return _header(f'<b class="ti_lab_model">No model</b><span class="ti_lab_chip bad">{escape(message)}</span>')


def _header(inner: str) -> str:
    return f'<header class="ti_lab_header"><span class="ti_lab_title">{wording.TITLE}</span>{inner}</header>'


def progress(snapshot: Snapshot) -> str:
    if snapshot.state == "idle":
        return _empty(wording.NOTHING_RUNS)
    title = f'<span class="ti_lab_state {snapshot.state}">{wording.STATES[snapshot.state]}</span>'
    title += f'<b class="ti_lab_job">{escape(snapshot.name)}</b>'
    if snapshot.last_step:
        title += f'<span class="ti_lab_count">{snapshot.step:,} / {snapshot.last_step:,}</span>'
    return (
        f'<section class="ti_lab_card ti_lab_progress"><div class="ti_lab_row">{title}</div>{_bar(snapshot)}{_facts(snapshot)}'
        f"{_ending(snapshot)}</section>"
    )


def _bar(snapshot: Snapshot) -> str:
    done = snapshot.step / snapshot.last_step if snapshot.last_step else (snapshot.fraction or 0.0)
    if snapshot.state == "finished":
        done = 1.0
    return (
        f'<div class="ti_lab_bar {snapshot.state}" role="progressbar" aria-valuemin="0" aria-valuemax="100" '
        f'aria-valuenow="{100 * done:.0f}"><i style="width:{100 * done:.2f}%"></i></div>'
    )


def _facts(snapshot: Snapshot) -> str:
    facts: list[tuple[str, str]] = []
    if snapshot.loss is not None:
        facts.append(("Loss", f"{snapshot.loss:.4f}"))
        facts.append(("Epoch", f"{snapshot.epoch + 1:,}"))
    if snapshot.images_per_second is not None:
        speed = snapshot.images_per_second
        facts.append(("Speed", f"{speed:,.0f} images/s" if speed >= 10 else f"{speed:.2g} images/s"))
    if snapshot.seconds_left is not None:
        facts.append(("Time left", duration(snapshot.seconds_left)))
    words = "".join(f"<span>{name} <b>{escape(value)}</b></span>" for name, value in facts)
    status = ""
    if snapshot.status:
        share = f" ({100 * snapshot.fraction:.0f} %)" if snapshot.fraction is not None else ""
        status = f'<span class="ti_lab_status">{escape(snapshot.status)}{share}</span>'
    return f'<div class="ti_lab_facts">{words}{status}</div>'


def _ending(snapshot: Snapshot) -> str:
    if snapshot.failure:
        return failure(snapshot.failure)
    parts = [f'<p class="ti_lab_warning">{escape(text)}</p>' for text in snapshot.warnings]
    if snapshot.state in ("finished", "stopped") and snapshot.result:
        hint = f" {wording.STOPPED_HINT}" if snapshot.state == "stopped" else ""
        parts.append(f'<p class="ti_lab_result">Saved to <code>{escape(str(snapshot.result))}</code>.{hint}</p>')
    elif snapshot.state == "stopped":
        parts.append(f'<p class="ti_lab_result">{wording.NOTHING_SAVED}</p>')
    return "".join(parts)


def failure(failed: Failed) -> str:
    hint = f"<p>{escape(failed.hint)}</p>" if failed.hint else ""
    details = f"<details><summary>Details for a bug report</summary><pre>{escape(failed.details)}</pre></details>"
    return (
        f'<div class="ti_lab_failure" role="alert"><pre>{escape(failed.message)}</pre>{hint}'
        f"{details if failed.details else ''}</div>"
    )


def curves(snapshot: Snapshot) -> str:
    history = snapshot.history
    if not history.points:
        return _empty(wording.NO_CURVE) if snapshot.active else ""
    small = charts.rate_chart(history) + charts.norms_chart(history)
    return f'<section class="ti_lab_card">{charts.loss_chart(history)}<div class="ti_lab_pair">{small}</div></section>'


def preview(shown: PreviewReady, newest: bool = True) -> str:
    uri = find_data_uri(shown.path, LARGE)
    picture = f'<img src="{uri}" alt="{escape(shown.prompt)}">' if uri else _empty(wording.PREVIEW_GONE)
    which = "newest preview" if newest else "earlier preview"
    return (
        f'<figure class="ti_lab_card ti_lab_preview">{picture}<figcaption><b>Step {shown.step:,}</b> <span>{which}, '
        f"seed {shown.seed}</span><q>{escape(shown.prompt)}</q></figcaption></figure>"
    )


def strip(previews: Sequence[PreviewReady], shown: int) -> str:
    """All previews by step; the number of the one shown large is `shown`. The script sends a click's number back.

    The newest comes first: the style sheet reverses the row, so that a long one begins scrolled to its newest end.
    """
    if len(previews) < 2:
        return ""
    cells = []
    for number, ready in reversed(list(enumerate(previews))):
        uri = find_data_uri(ready.path, THUMB)
        picture = f'<img src="{uri}" alt="">' if uri else ""
        current = ' aria-current="true"' if number == shown else ""
        cells.append(
            f'<button type="button" data-preview="{number}"{current} title="Show the preview of step {ready.step:,}">'
            f"{picture}<span>{ready.step:,}</span></button>"
        )
    return f'<div class="ti_lab_strip">{"".join(cells)}</div>'


def plan(lines: Sequence[str], warnings: Sequence[str] = (), intro: str = "", open_: bool = True) -> str:
    """The plan's lines as a table: "Rate: 0.005 for updates 1 to 100" becomes a row named Rate."""
    if not lines:
        return ""
    rows = []
    for line in lines:
        name, colon, text = line.partition(": ")
        cells = f"<th>{escape(name)}</th><td>{escape(text)}</td>" if colon else f'<td colspan="2">{escape(line)}</td>'
        rows.append(f"<tr>{cells}</tr>")
    notes = "".join(f'<p class="ti_lab_warning">{escape(text)}</p>' for text in warnings)
    told = f'<p class="ti_lab_good">{escape(intro)}</p>' if intro else ""
    return (
        f'<details class="ti_lab_card ti_lab_plan"{" open" if open_ else ""}><summary>Plan</summary>{told}{notes}'
        f"<table>{''.join(rows)}</table></details>"
    )


def log(snapshot: Snapshot) -> str:
    if not snapshot.saved:
        return ""
    rows = "".join(
        f"<tr><td>{saved.step:,}</td><td>{escape(wording.KINDS.get(saved.kind, saved.kind))}</td>"
        f'<td title="{escape(str(saved.path))}">{escape(saved.path.name)}</td></tr>'
        for saved in reversed(snapshot.saved)
    )
    folder = f"<p>Log folder <code>{escape(str(snapshot.run_folder))}</code></p>" if snapshot.run_folder else ""
    head = "<thead><tr><th>Step</th><th>What</th><th>File</th></tr></thead>"
    return (
        f'<details class="ti_lab_card ti_lab_log" open><summary>Saved</summary>{folder}'
        f'<div class="ti_lab_scroll"><table>{head}<tbody>{rows}</tbody></table></div></details>'
    )


def schedule(rows: Sequence[tuple[int, int, float]], note: str = "") -> str:
    """(from update, to update, rate) rows as a plot with its table."""
    cells = "".join(
        f"<tr><td>{first:,} – {last:,}</td><td>{charts.number(rate)}</td></tr>" for first, last, rate in rows[:12]
    )
    more = f'<tr><td colspan="2">and {len(rows) - 12} more</td></tr>' if len(rows) > 12 else ""
    told = f'<p class="ti_lab_warning">{escape(note)}</p>' if note else ""
    head = "<thead><tr><th>Steps</th><th>Rate</th></tr></thead>"
    return f'<div class="ti_lab_schedule">{charts.schedule_chart(rows)}<table>{head}<tbody>{cells}{more}</tbody></table></div>{told}'


def field_faults(faults: Sequence[Fault]) -> str:
    """Beside the field, so without its name; a caret keeps its place."""
    lines = []
    for fault in faults:
        caret = " caret" if fault.message.count("\n") else ""
        lines.append(f'<p class="ti_lab_fault{caret}" role="alert">{escape(fault.message)}{_hint(fault)}</p>')
    return "".join(lines)


def fault_list(faults: Sequence[Fault], labels: Mapping[str, str]) -> str:
    """All faults; those of fields by label."""
    items = "".join(f"<li>{_named(fault, labels.get(fault.where, fault.where))}{_hint(fault)}</li>" for fault in faults)
    return f'<div class="ti_lab_failure" role="alert"><p>{wording.FAULTS_INTRO}</p><ul>{items}</ul></div>'


def _named(fault: Fault, name: str) -> str:
    first = fault.message.splitlines()[0]  # the caret of a text is drawn beside its field
    return escape(first) if first.startswith(name) else f"<b>{escape(name)}:</b> {escape(first)}"


def _hint(fault: Fault) -> str:
    return f' <span class="ti_lab_hint">({escape(fault.hint)})</span>' if fault.hint else ""


def made(files: Sequence[Result], next_: str) -> str:
    """`next_` says what can be done now."""
    places = ", ".join(f"<code>{escape(str(one.path))}</code>" for one in files)
    notes = "".join(f'<p class="ti_lab_warning">{escape(note)}</p>' for one in files for note in one.notes)
    return (
        f'<section class="ti_lab_card"><p class="ti_lab_good">Saved to {places}. {escape(next_)}</p>{notes}</section>'
    )


def duration(seconds: float) -> str:
    """75 -> "1 min 15 s", 7260 -> "2 h 1 min"."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    return f"{whole // 3600:,} h {whole % 3600 // 60} min"


def _empty(text: str) -> str:
    return f'<p class="ti_lab_empty">{escape(text)}</p>'
