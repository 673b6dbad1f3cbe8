"""The ids of everything on the page that the style sheet, the script or a test looks for."""

PREFIX = "ti_lab_"

ROOT = f"{PREFIX}root"
POLL = f"{PREFIX}poll"
LOAD = f"{PREFIX}load"
CHOOSE = f"{PREFIX}choose"
CHOSEN = f"{PREFIX}chosen"
FILLING = f"{PREFIX}filling"
OPEN = f"{PREFIX}open"
PULSE = f"{PREFIX}pulse"

MACHINERY = f"{PREFIX}machinery"
"""Holds what the script needs and nobody should see; the style sheet hides it."""
FIELDS, FIELD = f"{PREFIX}fields", f"{PREFIX}field"
"""Classes of a row of fields and of one field."""
BESIDE, BUTTONS = f"{PREFIX}beside", f"{PREFIX}buttons"
"""Classes of a row of columns and of one of buttons."""
DETAILS = f"{PREFIX}details"
"""Class of a column of fields that appears once what they belong to is switched on."""


def part_id(name: str) -> str:
    """A part of the page that changes while a job runs."""
    return f"{PREFIX}{name}"


def field_id(panel: str, path: str) -> str:
    """field_id("train", "optim.lr") -> "ti_lab_train_optim_lr"."""
    return f"{PREFIX}{panel}_{path.replace('.', '_')}"


def fault_id(panel: str, path: str) -> str:
    return f"{field_id(panel, path)}_fault"
