"""The plan of a run: settings and data set validated, and what the run will do, before any work on the model."""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil
from pathlib import Path

from lib_ti.config.train import TrainConfig
from lib_ti.dataset.dataset import Dataset, buckets
from lib_ti.dataset.scan import Listing, list_dataset, scan_pictures
from lib_ti.dataset.template import compose_prompt
from lib_ti.embedding.name import check_name, shadow_warnings
from lib_ti.errors import Fault, HostError, InvalidConfig, InvalidDataset
from lib_ti.events import Emit, Status, ignore
from lib_ti.host import Host, ModelInfo, TrainingSession
from lib_ti.library.result import other_files
from lib_ti.training.start import Start, embedding_path, find_start


@dataclass(frozen=True)
class Plan:
    """`rates`: (from update, to update, rate), numbered from 1; `buckets`: pictures by (width, height)."""

    config: TrainConfig
    model: ModelInfo
    dataset: Dataset
    start: Start
    path: Path
    last_step: int
    rates: tuple[tuple[int, int, float], ...]
    buckets: dict[tuple[int, int], int]
    warnings: tuple[str, ...]

    @property
    def first_step(self) -> int:
        return self.start.state.step

    @property
    def steps_per_epoch(self) -> int:
        return ceil(self.dataset.samples_per_epoch / self.config.images_per_update)

    @property
    def rows(self) -> int:
        return next(iter(self.start.state.vectors.values())).shape[0]

    def validate_model(self, now: ModelInfo) -> None:
        """The run may have waited for the host's other jobs, and its plan is for one model only."""
        if now != self.model:
            raise HostError(
                f"The run is for {self.model.name}, but the model is {now.name} by now.",
                f"Choose {self.model.name} again, or start a new run.",
            )

    def lines(self) -> tuple[str, ...]:
        """The plan for people."""
        optim, updates = self.config.optim, self.last_step - self.first_step
        epochs = updates * self.config.images_per_update / self.dataset.samples_per_epoch
        shapes = ", ".join(f"{width}x{height}: {count}" for (width, height), count in self.buckets.items())
        return (
            f"Model: {self.model.name} ({self.model.family}, {self.model.prediction_type})",
            f"Start: {self.start.words}",
            f"Pictures: {len(self.dataset.pictures)} ({self.dataset.samples_per_epoch} an epoch with repeats), {shapes}",
            f"Update: {self.config.images_per_update} pictures "
            f"(batch size {optim.batch_size} x {optim.accumulation}), {self.steps_per_epoch} updates an epoch",
            f"Steps: {self.first_step + 1} to {self.last_step}, {epochs:.1f} epochs",
            *(f"Rate: {rate:g} for updates {first} to {last}" for first, last, rate in self.rates),
            f"Seed: {self.start.state.seed}",
            f"Embedding: {self.path}",
            f"Log: {self.start.folder.root}",
        )


@dataclass(frozen=True)
class Outline:
    """A plan as far as it is known before a picture is opened: what can be refused at once has been."""

    config: TrainConfig
    model: ModelInfo
    listing: Listing
    path: Path
    start: Start
    last_step: int


def outline_training(host: Host, config: TrainConfig) -> Outline:
    """Raises InvalidConfig or InvalidDataset with every fault but those of pictures, EmbeddingExists, or InvalidEmbedding."""
    model, path = _find_target(host, config)
    listing = _list_dataset(host, config, model)
    listing.validate()
    return Outline(config, model, listing, path, *_find_steps(host, config))


def plan_training(host: Host, run: TrainConfig | Outline, emit: Emit = ignore) -> Plan:
    """Validate what is not yet, and above all decode every picture once; `emit` hears how far that is.

    Raises InvalidConfig or InvalidDataset with every fault, EmbeddingExists, or InvalidEmbedding.
    """

    def progress(done: int, total: int) -> None:
        emit(Status(f"Checking picture {done} of {total}", done / total))

    emit(Status("Checking the pictures"))
    if isinstance(run, Outline):
        return _build_plan(host, run, scan_pictures(run.listing, progress))
    model, path = _find_target(host, run)
    listing = _list_dataset(host, run, model)
    dataset = scan_pictures(listing, progress)  # before the start, so that faults of folder and pictures come together
    return _build_plan(host, Outline(run, model, listing, path, *_find_steps(host, run)), dataset)


def _find_target(host: Host, config: TrainConfig) -> tuple[ModelInfo, Path]:
    check_name(config.embedding.name)
    model = host.model()
    path = embedding_path(host, config)
    if path.suffix == ".pt" and len(model.encoders) > 1:
        hint = f"{path.name} exists: take another name" if path.is_file() else "take safetensors"
        raise InvalidConfig([Fault("save.format", f"{model.family} has no .pt form", hint)])
    return model, path


def _list_dataset(host: Host, config: TrainConfig, model: ModelInfo) -> Listing:
    name, folders = config.embedding.name, host.template_folders()
    return list_dataset(config.data, name, model.native_size, model.pixel_multiple, folders)


def _find_steps(host: Host, config: TrainConfig) -> tuple[Start, int]:
    """Where the run starts, and the last step of it."""
    start = find_start(host, config)
    last = min(config.optim.steps, config.schedule.last_step or config.optim.steps)
    _validate_steps(config, start.state.step, last)
    return start, last


def _build_plan(host: Host, outline: Outline, dataset: Dataset) -> Plan:
    config, model, path, start, last = outline.config, outline.model, outline.path, outline.start, outline.last_step
    others = other_files(path, host.embeddings_folder())
    warnings = [*dataset.warnings, *start.warnings, *shadow_warnings(config.embedding.name, host, others)]
    if start.state.fingerprint not in ("", dataset.fingerprint):
        warnings.append("The pictures, captions or template have changed since the run began.")
    if last < config.optim.steps:
        warnings.append(
            f"The learning rate ends at step {last}, before max steps ({config.optim.steps}): so does training."
        )
    return Plan(
        config=config,
        model=model,
        dataset=dataset,
        start=start,
        path=path,
        last_step=last,
        rates=tuple(config.schedule.table(start.state.step, last)),
        buckets=buckets(dataset),
        warnings=tuple(warnings),
    )


def _validate_steps(config: TrainConfig, first: int, last: int) -> None:
    if config.optim.steps <= first:
        hint = f"{first} updates are done: set more than that, or overwrite to start anew"
        raise InvalidConfig([Fault("optim.steps", f"{config.optim.steps} steps leave nothing to train", hint)])
    if last <= first:
        hint = f"{first} updates are done and the last stage ends at {last}"
        raise InvalidConfig([Fault("optim.lr", "the schedule lies wholly in the past", hint)])


def validate_prompts(session: TrainingSession, dataset: Dataset, name: str, rows: int) -> None:
    """Raises InvalidDataset, which names each picture whose caption pushes some of the `rows` vectors of `name` out."""
    faults = []
    for picture in dataset.pictures:
        for line in dataset.template.lines:
            prompt = compose_prompt(line, name, picture.caption)
            seen = session.placeholder_rows(prompt)
            if seen < rows:
                message = f"the model sees {seen} of the {rows} vectors of {name} in {prompt!r}"
                faults.append(Fault(str(picture.path), message, "shorten the caption, or move [name] to the front"))
                break
    if faults:
        raise InvalidDataset(faults)
