"""One config field = one default, one set of limits and one help sentence, read by CLI, tab, README and validation alike."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Option:
    """What is known of one field. `label` is its name in the tab (A1111's own word where it has one); `metavar` stands for its
    value on the command line, where the field's own name would not do."""

    label: str
    help: str
    minimum: float | None = None
    maximum: float | None = None
    choices: tuple[str, ...] = ()
    required: bool = False
    metavar: str = ""


def option(
    default: Any,
    label: str,
    help: str,  # noqa: A002 - the field's word for it, as in argparse
    *,
    minimum: float | None = None,
    maximum: float | None = None,
    choices: Sequence[str] = (),
    required: bool = False,
    metavar: str = "",
) -> Any:
    """A dataclass field that carries its `Option`. Typed Any, as `dataclasses.field` is, so that it fits every annotation."""
    about = Option(label, help, minimum, maximum, tuple(choices), required, metavar)
    return field(default=default, metadata={"option": about})
