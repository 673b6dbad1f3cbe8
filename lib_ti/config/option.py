"""One config field = one default, one set of limits and one help sentence, read by CLI, tab, docs and validation alike."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Option:
    """What is known of one field; see `option`."""

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
    """A field of a config: its default, and all that faces show and `build_config` validates.

    Args:
        default: Of the field's type: str, int, float or bool.
        label: Its name in the tab; A1111's own where that has the field.
        help: One sentence, ending with a dot, for tab, command line, /docs and documentation alike.
        minimum, maximum: Limits of a number, both included.
        choices: The only texts that may be given.
        required: Whether a text may not be empty.
        metavar: What stands for its value on the command line, if not the field's own name.

    Returns:
        A dataclass field; typed Any, as that of `dataclasses.field` is, so that it fits every annotation.

    Example:
        >>> @dataclass(frozen=True)
        ... class OptimizerPart:
        ...     batch_size: int = option(1, "Batch size", "Pictures in a batch.", minimum=1)
    """
    about = Option(label, help, minimum, maximum, tuple(choices), required, metavar)
    return field(default=default, metadata={"option": about})
