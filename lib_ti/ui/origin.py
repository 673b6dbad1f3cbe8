"""Which model a file was made on, beside the loaded one: pure, like `render`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lib_ti.host import ModelInfo
from lib_ti.ui import wording
from lib_ti.ui.escape import escape

if TYPE_CHECKING:
    from lib_ti.app import Entry


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
    reason = entry.why_not_again
    told = f"<p>{escape(wording.NOT_AGAIN.format(reason=reason))}</p>" if reason else ""
    return f'<section class="ti_lab_card"><p class="ti_lab_warning">{escape(origin(entry, model))}</p>{told}</section>'


def _named(name: str, hash_: str, family: str) -> str:
    about = ", ".join(filter(None, (hash_ if name else "", wording.FAMILIES.get(family, ""))))
    return f"{name or hash_} ({about})" if about else name or hash_
