"""All that is validated before a run, but for its pictures: one list, `CHECKS`, so that all faults are told at once.

A check looks at one thing and raises a TIError that names the field; nothing is written, and the model is not taken. Check in
the tab, the command line, the API and a run itself go by the same list.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Mapping
from contextlib import suppress
from importlib.util import find_spec
from pathlib import Path

from lib_ti.config.lines import EMBEDDINGS
from lib_ti.config.train import TrainConfig
from lib_ti.embedding.name import HOST_SUFFIXES, check_name
from lib_ti.embedding.vocabulary import word_lengths
from lib_ti.errors import Fault, HostError, InvalidConfig, TIError, collected, raise_together
from lib_ti.host import Host, ImageRequest, MemoryTeller, ModelInfo, SessionRequest
from lib_ti.library.result import other_files
from lib_ti.training.context import find_context
from lib_ti.training.lock import validate_unlocked
from lib_ti.training.optimizer import rate_of_numbers
from lib_ti.training.start import embedding_path, embedding_paths, log_path

Check = Callable[[Host, ModelInfo, TrainConfig], None]


def validate_settings(host: Host, model: ModelInfo, config: TrainConfig) -> list[TIError]:
    """Everything that the checks find, in their order."""
    errors: list[TIError] = []
    for check in CHECKS:
        with collected(errors):
            check(host, model, config)
    return errors


def _names(host: Host, model: ModelInfo, config: TrainConfig) -> None:
    errors: list[TIError] = []
    for where, name in _named(config):
        with collected(errors):
            check_name(name, where)
    raise_together(errors)


def _named(config: TrainConfig) -> list[tuple[str, str]]:
    """(the setting that it comes of, the name) of every embedding."""
    first, *others = (one.name for one in config.embedding.embeddings())
    where = EMBEDDINGS.where if config.embedding.more else "embedding.name"
    return [("embedding.name", first), *((where, name) for name in others)]


def _namesakes(host: Host, model: ModelInfo, config: TrainConfig) -> None:
    """My-Cat is to the model what my-cat is: the one would hide the other, in training and in prompts."""
    faults: list[Fault] = []
    known: dict[tuple[int, ...], str] = {}
    for where, name in _named(config):
        ids = tuple(host.tokenize(name))
        if ids in known:
            faults.append(Fault(where, f"{name} is the same word to the model as {known[ids]}", "take another name"))
        known[ids] = name
        for file in other_files(embedding_path(host, config, name), host.embeddings_folder()):
            same = file.stem != name and file.suffix.lower() in HOST_SUFFIXES and tuple(host.tokenize(file.stem)) == ids
            if same and not file.stem.lower().endswith(".preview"):
                hint = f"write {file.stem} to go on with that one, or take another name"
                faults.append(Fault(where, f"{file.name} exists, whose name is the same word to the model", hint))
    if faults:
        raise InvalidConfig(faults)


def _form(host: Host, model: ModelInfo, config: TrainConfig) -> None:
    for path in embedding_paths(host, config).values():
        if path.suffix == ".pt" and len(model.encoders) > 1:
            hint = f"{path.name} exists: take another name" if path.is_file() else "take safetensors"
            raise _fault("save.format", f"{model.family} has no .pt form", hint)


def _folders(host: Host, model: ModelInfo, config: TrainConfig) -> None:
    faults = []
    for field, folder in (
        ("save.folder", embedding_path(host, config).parent),
        ("save.log_folder", log_path(host, config)),
    ):
        if reason := write_obstacle(folder):
            faults.append(Fault(field, f"nothing can be written to {folder}: {reason}", "choose another folder"))
    if faults:
        raise InvalidConfig(faults)


def _in_training(host: Host, model: ModelInfo, config: TrainConfig) -> None:
    for path in embedding_paths(host, config).values():
        validate_unlocked(path)


def _preview(host: Host, model: ModelInfo, config: TrainConfig) -> None:
    """Also where none is due: one can be asked for at any time."""
    preview, faults = config.preview, []
    for field, side in (("preview.width", preview.width), ("preview.height", preview.height)):
        if side % model.pixel_multiple:
            near = max(1, round(side / model.pixel_multiple)) * model.pixel_multiple
            faults.append(Fault(field, f"the model cannot paint {side} pixels", f"try {near}"))
    try:
        host.validate_picture(ImageRequest("", sampler=preview.sampler))
    except HostError as error:
        faults.append(Fault("preview.sampler", error.message, error.hint))
    if faults:
        raise InvalidConfig(faults)


def _tensorboard(host: Host, model: ModelInfo, config: TrainConfig) -> None:
    if config.save.tensorboard and find_spec("tensorboard") is None:
        raise _fault(
            "save.tensorboard", "TensorBoard is not installed", "turn it off, or install the package tensorboard"
        )


def _optimizer(host: Host, model: ModelInfo, config: TrainConfig) -> None:
    optim = config.optim
    if optim.name == "prodigy" and find_spec("prodigyopt") is None:
        raise _fault(
            "optim.name", "Prodigy is not installed", "take another optimizer, or install the package prodigyopt"
        )
    if optim.encoders != "all" and optim.encoders not in (encoder.name for encoder in model.encoders):
        raise _fault("optim.encoders", f"{model.name} has no {optim.encoders}", "take all")


def _context(host: Host, model: ModelInfo, config: TrainConfig) -> None:
    find_context(host, config, config.embedding.vectors, 0)


def _session(host: Host, model: ModelInfo, config: TrainConfig) -> None:
    """Device, precision, LoRAs, and whether a gradient can be taken in this model at all."""
    host.validate_session(session_request(config, {one.name: one.vectors for one in config.embedding.embeddings()}))


CHECKS: tuple[Check, ...] = (
    _names,
    _namesakes,
    _form,
    _folders,
    _in_training,
    _preview,
    _tensorboard,
    _optimizer,
    _context,
    _session,
)


def session_request(
    config: TrainConfig, rows: Mapping[str, int], given_up: Callable[[], bool] = lambda: False
) -> SessionRequest:
    """What a run of `config` asks of the host, for embeddings of `rows` vectors, by name."""
    run, name = config.run, config.embedding.name
    others = {other: count for other, count in rows.items() if other != name}
    return SessionRequest(name, rows[name], run.clip_skip, run.checkpointing, run.networks, given_up, others)


def write_obstacle(folder: Path) -> str:
    """Why no file can be made in `folder`, "" where one can: tried with a real one. Folders that are not there are not made:
    it is tried in the nearest one above that is."""
    place = folder
    while not place.exists() and place.parent != place:
        place = place.parent
    if not place.is_dir():
        return f"{place} is a file"
    try:
        handle, name = tempfile.mkstemp(prefix=".ti-lab-", suffix=".tmp", dir=place)
        try:
            os.write(handle, bytes(4096))
            os.fsync(handle)
        finally:
            os.close(handle)
            with suppress(OSError):
                Path(name).unlink()
    except OSError as error:
        return (error.strerror or str(error)).lower()
    return ""


def rate_warnings(host: Host, config: TrainConfig, first: int, last: int) -> list[str]:
    """Of learning rates that can only be a slip: by which a vector moves in one step further than words are long."""
    schedule, optim = config.schedule, config.optim
    rate = max((max(row.rate, row.last_rate) for row in schedule.table(first, last)), default=0.0)
    if optim.name == "prodigy":
        low = rate < 0.1
        return [f"A learning rate of {rate:g} multiplies the one that Prodigy finds: 1 is usual."] if low else []
    warnings = []
    for encoder, length in word_lengths(host).items():
        width = host.model().encoder(encoder).width
        move = rate_of_numbers(rate, schedule.relative, length, width) * width**0.5
        if move > SENSELESS * length:
            usual = "0.6r" if schedule.relative else "0.005"
            warnings.append(
                f"A learning rate of {schedule.written(rate)} moves a vector of {encoder} by {move:.3g} in one step, and words are "
                f"{length:.2g} long: nothing can be learned so. {usual} is a usual rate."
            )
    return warnings


SENSELESS = 10.0
"""By so many words' lengths nothing that makes sense moves in a step."""


def memory_needed(host: Host, config: TrainConfig, size: tuple[int, int], cell: int) -> tuple[str, list[str]]:
    """In words, for pictures of `size` (width, height) in pixels, of which `cell` make a latent cell; and a warning where it is
    more than there is. Nothing where the host does not tell."""
    at_once = min(config.optim.micro_batch or config.optim.batch_size, config.images_per_update)
    at_once *= 2 if config.embedding.negative == "pair" else 1  # each picture by both prompts
    shape = (at_once, 4, size[1] // cell, size[0] // cell)
    found = host.update_memory(shape, config.run.checkpointing) if isinstance(host, MemoryTeller) else None
    if not found:
        return "", []
    need, free = (f"{amount / 2**30:.1f} GiB" for amount in found)
    text = f"an update needs about {need} beside the model, and {free} are free"
    hint = "Train with Gradient checkpointing, fewer Pictures at once, or smaller ones, if the memory runs out."
    return text, [f"Of memory {text}. {hint}"] if found[0] > found[1] else []


def _fault(field: str, message: str, hint: str) -> InvalidConfig:
    return InvalidConfig([Fault(field, message, hint)])
