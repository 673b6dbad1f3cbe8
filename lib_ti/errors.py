"""Every error that a user may see, as one small tree.

    TIError                 wrong, what to do, where
    ├── InvalidText         text in a small language of ours, with a caret under the fault
    ├── InvalidConfig       all faults of a form or command at once, each by its field
    │   └── NothingLeft     the run that is to be resumed has done all its steps
    ├── InvalidDataset      all faults of a picture folder at once, each by its file
    ├── InvalidEmbedding    a file or tensor that is not an embedding we may use
    ├── EmbeddingExists     a file that would be overwritten without having been asked to
    ├── UnsupportedModel    a checkpoint of a family, layout or format that cannot be used
    ├── HostError           the host cannot do what was asked of it now
    ├── TrainingFailed      a run that cannot go on (the last good vectors are on disk)
    ├── Busy                another job is running
    └── GivenUp             the user no longer wants it; no fault

Anything else that is raised is a bug and keeps its traceback.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace

UNSEEN = re.compile("[\0-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")
"""Signs that a name of a file or a text in it may hold, and that change what stands around them: those that a terminal obeys,
those that turn the direction of writing, and halves of characters, which cannot even be printed."""


def visible(text: str) -> str:
    """As it may be shown to people: each such sign is a question mark. Lines and tabs stay."""
    return UNSEEN.sub("?", text.replace("\r\n", "\n"))


@dataclass(frozen=True)
class Fault:
    """One thing that is wrong. `where` is a dotted config path ("optim.lr") or a file."""

    where: str
    message: str
    hint: str = ""

    def __str__(self) -> str:
        text = self.message if self.message.startswith(self.where) else f"{self.where}: {self.message}"
        return text + (f" ({self.hint})" if self.hint else "")


class TIError(Exception):
    """`message` says what is wrong, with the value; `hint` what to do; `where` the field or file."""

    def __init__(self, message: str, hint: str = "", where: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint
        self.where = where

    def __str__(self) -> str:
        text = f"{self.where}: {self.message}" if self.where else self.message
        return f"{text}\n{self.hint}" if self.hint else text


class InvalidText(TIError):
    """`text` cannot be read at characters `start` to `end` (half open)."""

    def __init__(self, message: str, text: str, start: int, end: int, hint: str = "") -> None:
        self.text, self.start, self.end = text, start, end
        super().__init__(message, hint)

    def __str__(self) -> str:
        # One line, so that the caret stands under its character whatever the user typed.
        shown = "".join(character if character.isprintable() else " " for character in self.text)
        caret = " " * self.start + "^" * max(1, self.end - self.start)
        return "\n".join(line for line in (self.message, f"  {shown}", f"  {caret}", self.hint) if line)


class FaultList(TIError):
    """An error that reports every fault at once, so that a user mends them in one go."""

    title = "There are faults."

    def __init__(self, faults: Sequence[Fault]) -> None:
        self.faults = tuple(faults)
        super().__init__(self.title + "".join("\n  " + str(fault).replace("\n", "\n  ") for fault in self.faults))

    def renamed(self, names: Mapping[str, str]) -> FaultList:
        """The same, with each place by the name that a user knows it by, where `names` has one."""
        return type(self)([replace(fault, where=names.get(fault.where, fault.where)) for fault in self.faults])


def faults_of(error: BaseException | None) -> tuple[Fault, ...]:
    """What an error tells by place: all its faults, or the one at its `where`; nothing where it names none."""
    if isinstance(error, FaultList):
        return error.faults
    return (Fault(error.where, error.message, error.hint),) if isinstance(error, TIError) and error.where else ()


class InvalidConfig(FaultList):
    title = "These settings cannot be used:"


class NothingLeft(InvalidConfig):
    title = "The run is finished:"


class InvalidDataset(FaultList):
    title = "These training pictures cannot be used:"


@contextmanager
def collected(errors: list[TIError]) -> Iterator[None]:
    """Puts what is raised into `errors`, so that what comes after is looked at too; see `raise_together`."""
    try:
        yield
    except TIError as error:
        errors.append(error)


def raise_together(errors: Sequence[TIError]) -> None:
    """One error is raised as it is, several of one kind as one of it, and a mixture as InvalidConfig, with every fault."""
    if not errors:
        return
    if len(errors) == 1:
        raise errors[0]
    faults = [fault for error in errors for fault in faults_of(error) or (Fault("", error.message, error.hint),)]
    kinds = {type(error) for error in errors}
    raise InvalidDataset(faults) if kinds == {InvalidDataset} else InvalidConfig(faults)


class InvalidEmbedding(TIError):
    pass


class EmbeddingExists(TIError):
    pass


class UnsupportedModel(TIError):
    pass


class HostError(TIError):
    pass


class TrainingFailed(TIError):
    pass


class Busy(TIError):
    pass


class GivenUp(TIError):
    pass
