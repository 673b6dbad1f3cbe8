"""One config field = one default, one set of limits and one help sentence, read by CLI, tab, docs and validation alike; and the
way between frozen config dataclasses and the flat values by dotted path that forms, commands and files speak."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields, is_dataclass
from difflib import get_close_matches
from typing import Any, TypeVar, get_type_hints

from lib_ti.errors import Fault, InvalidConfig

LARGEST_SEED = 10**18
"""Torch takes seeds of 64 bits, and each picture of many has the next one."""


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
    lines: int = 1


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
    lines: int = 1,
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
        lines: How many lines of a text its field shows. Of more than one, each may also be given by itself, as in a list.

    Returns:
        A dataclass field; typed Any, as that of `dataclasses.field` is, so that it fits every annotation.

    Example:
        >>> @dataclass(frozen=True)
        ... class OptimizerPart:
        ...     batch_size: int = option(1, "Batch size", "Pictures in a batch.", minimum=1)
    """
    about = Option(label, help, minimum, maximum, tuple(choices), required, metavar, lines)
    return field(default=default, metadata={"option": about})


Config = TypeVar("Config")


def walk_options(config: type) -> Iterator[tuple[str, type, Any, Option]]:
    """Every setting of a config class, in the order in which they are written.

    Args:
        config: A frozen dataclass whose fields are made by `option`, or are such dataclasses themselves (its parts).

    Yields:
        Dotted path ("optim.lr"), type (str, int, float or bool), default, and what else is declared of it.
    """
    hints = get_type_hints(config)
    for entry in fields(config):
        kind = hints[entry.name]
        if is_dataclass(kind):
            for path, inner, default, about in walk_options(kind):  # type: ignore[arg-type]
                yield f"{entry.name}.{path}", inner, default, about
        else:
            yield entry.name, kind, entry.default, entry.metadata["option"]


def labels(config: type) -> dict[str, str]:
    """What users know each setting of a config class by, by its dotted path."""
    return {path: about.label for path, _, _, about in walk_options(config)}


def flatten(nested: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """{"optim": {"lr": 1}} -> {"optim.lr": 1}; keys that are dotted already stay as they are."""
    flat: dict[str, Any] = {}
    for key, value in nested.items():
        path = f"{prefix}{key}"
        flat |= flatten(value, f"{path}.") if isinstance(value, Mapping) else {path: value}
    return flat


def config_values(config: Any) -> dict[str, Any]:
    """The flat values of a config, by dotted path.

    Example:
        >>> config_values(MergeConfig("'cat'", "my-cat"))["over"]
        'refuse'
        >>> build_config(MergeConfig, config_values(config)) == config
        True
    """
    values: dict[str, Any] = {}
    for path, *_ in walk_options(type(config)):
        value = config
        for name in path.split("."):
            value = getattr(value, name)
        values[path] = value
    return values


def build_config(config: type[Config], values: Mapping[str, Any]) -> Config:
    """Build a config of what a form, a command line, a file or a request holds, and validate it.

    Args:
        config: The class to build, such as `TrainConfig`.
        values: By dotted path (``{"optim.lr": "0.005"}``), nested (``{"optim": {"lr": "0.005"}}``), or both. Text is read as the
            field's type. What is missing is as the class' own `beneath` of these values has it, where there is one, as of
            presets; else it keeps its default.

    Returns:
        A frozen object, whose values are within the limits and choices of their options; and the class' own `check`, where it has
        one, has found no fault between them.

    Raises:
        InvalidConfig: With every fault at once, each by its dotted path: names that there are not (with the nearest that there
            is), values of another type, limits, choices, what is required, and what does not go together.

    Example:
        >>> build_config(TrainConfig, {"embedding.name": "my-cat", "data": {"folder": "pictures"}, "optim.steps": "500"}).optim.steps
        500
    """
    known = {path: (kind, default, about) for path, kind, default, about in walk_options(config)}
    faults: list[Fault] = []
    clean: dict[str, Any] = {}
    given = flatten(values)
    for path, raw in {**getattr(config, "beneath", dict)(given), **given}.items():
        if path not in known:
            near = get_close_matches(path, known, n=1)
            faults.append(Fault(path, "there is no such setting", f"did you mean {near[0]}?" if near else ""))
            continue
        kind, _, about = known[path]
        try:
            lines = about.lines > 1 and isinstance(raw, list) and all(isinstance(line, str) for line in raw)
            clean[path] = "\n".join(raw) if lines else _read(kind, raw)
        except ValueError as error:
            faults.append(Fault(path, str(error)))
            continue
        faults += _limits(path, clean[path], about)
    for path, (_, default, about) in known.items():
        if about.required and path not in (fault.where for fault in faults) and not clean.get(path, default):
            faults.append(Fault(path, f"{about.label} is missing"))
    # Also with faults: what is wrong with fields together belongs to the same answer.
    built: Config = _build(config, clean, "")
    faults += getattr(built, "check", list)()
    if faults:
        raise InvalidConfig(faults)
    return built


def _build(config: type, values: Mapping[str, Any], prefix: str) -> Any:
    hints = get_type_hints(config)
    arguments = {}
    for entry in fields(config):
        path = f"{prefix}{entry.name}"
        if is_dataclass(hints[entry.name]):
            arguments[entry.name] = _build(hints[entry.name], values, f"{path}.")
        elif path in values:
            arguments[entry.name] = values[path]
    return config(**arguments)


_WORDS = {"true": True, "yes": True, "on": True, "1": True, "false": False, "no": False, "off": False, "0": False}


def _read(kind: type, raw: Any) -> Any:
    if kind is bool:
        if isinstance(raw, bool):
            return raw
        if str(raw).strip().lower() in _WORDS:
            return _WORDS[str(raw).strip().lower()]
        raise ValueError(f"{raw!r} is neither true nor false")
    if kind is str:
        if isinstance(raw, (list, tuple)):
            raise ValueError(f"{raw!r} is not a text")
        return "" if raw is None else str(raw)
    try:
        if kind is int and isinstance(raw, (str, int)) and not isinstance(raw, bool):
            return int(raw)  # not by way of a float, which would change a large seed
    except ValueError:
        pass  # 3.0 and 3e0 are whole numbers too
    try:
        number = float(raw) if isinstance(raw, (str, int, float)) and not isinstance(raw, bool) else None
    except (ValueError, OverflowError):
        number = None
    if number is None or number != number or number in (float("inf"), float("-inf")):
        raise ValueError(f"{raw!r} is not a number")
    if kind is float:
        return number
    if not number.is_integer():
        raise ValueError(f"{raw!r} is not a whole number")
    return int(number)


def _limits(path: str, value: Any, about: Option) -> list[Fault]:
    if about.choices and value not in about.choices:
        near = get_close_matches(str(value), about.choices, n=1)
        hint = f"did you mean {near[0]}?" if near else "one of: " + ", ".join(about.choices)
        return [Fault(path, f"{value!r} is not a choice of {about.label}", hint)]
    if about.minimum is not None and value < about.minimum:
        return [Fault(path, f"{about.label} is {value}, below the least of {about.minimum:g}")]
    if about.maximum is not None and value > about.maximum:
        return [Fault(path, f"{about.label} is {value}, above the most of {about.maximum:g}")]
    return []
