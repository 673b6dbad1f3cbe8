"""What came of something that was asked for, good or bad, and remarks beside it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

from lib_ti.errors import Fault
from lib_ti.events import Failed
from lib_ti.ui import wording
from lib_ti.ui.html.markup import Html

if TYPE_CHECKING:
    from lib_ti.app import Result


def empty(text: str) -> Html:
    """Where something will appear: what it will be."""
    return Html('<p class="ti_lab_empty">{}</p>').format(text)


def soft(text: str) -> Html:
    return Html('<p class="ti_lab_soft">{}</p>').format(text)


def soft_card(text: str) -> Html:
    return Html('<p class="ti_lab_card ti_lab_soft">{}</p>').format(text)


def heading(text: str) -> Html:
    """Of a few fields that belong together."""
    return Html('<p class="ti_lab_group">{}</p>').format(text)


def warnings(texts: Iterable[str]) -> Html:
    return Html('<p class="ti_lab_warning">{}</p>').each(texts)


def results(files: Sequence[Result], next_: str) -> Html:
    """`next_` says what can be done now."""
    places = Html(", ").join(Html("<code>{}</code>").format(one.path) for one in files)
    return Html('<section class="ti_lab_card"><p class="ti_lab_good">Saved to {}. {}</p>{}{}</section>').format(
        places,
        next_,
        warnings(note for one in files for note in one.notes),
        Html('<p class="ti_lab_soft">{}</p>').each(one.remark for one in files if one.remark),
    )


def failure(failed: Failed) -> Html:
    return Html('<div class="ti_lab_failure" role="alert"><pre>{}</pre>{}{}</div>').format(
        failed.message,
        Html("<p>{}</p>").if_any(failed.hint),
        Html("<details><summary>Details for a bug report</summary><pre>{}</pre></details>").if_any(failed.details),
    )


def field_faults(faults: Sequence[Fault]) -> Html:
    """Beside the field, so without its name; a caret keeps its place."""
    return Html("").join(
        Html('<p class="ti_lab_fault{}" role="alert">{}{}</p>').format(
            " caret" if "\n" in fault.message else "", fault.message, _hint(fault)
        )
        for fault in faults
    )


def text_fault(fault: Fault) -> Html:
    """Of a text in a small language, where its result would stand."""
    return Html("<div>{}</div>").format(field_faults([fault]))


def fault_list(faults: Sequence[Fault], labels: Mapping[str, str]) -> Html:
    """All faults; those of fields by label."""
    items = Html("").join(
        Html("<li>{}{}</li>").format(_named(fault, labels.get(fault.where, fault.where)), _hint(fault))
        for fault in faults
    )
    return Html('<div class="ti_lab_failure" role="alert"><p>{}</p><ul>{}</ul></div>').format(
        wording.FAULTS_INTRO, items
    )


def _named(fault: Fault, name: str) -> Html:
    first = fault.message.splitlines()[0]  # the caret of a text is drawn beside its field
    return Html("{}").format(first) if first.startswith(name) else Html("<b>{}:</b> {}").format(name, first)


def _hint(fault: Fault) -> Html:
    return Html(' <span class="ti_lab_hint">({})</span>').if_any(fault.hint)
