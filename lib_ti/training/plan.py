"""The plan of a run: settings and data set validated, and what the run will do, before any work on the model."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from math import ceil, prod
from pathlib import Path

from lib_ti.config.lines import EMBEDDINGS
from lib_ti.config.schedule import Schedule
from lib_ti.config.train import TrainConfig
from lib_ti.config.trained import EmbeddingPart
from lib_ti.dataset.dataset import Dataset, buckets
from lib_ti.dataset.scan import Listing, called, list_class_pictures, list_dataset, scan_pictures
from lib_ti.dataset.wildcards import longest
from lib_ti.embedding.name import name_remark, shadow_warnings
from lib_ti.embedding.vocabulary import word_lengths
from lib_ti.errors import (
    Fault,
    GivenUp,
    HostError,
    InvalidConfig,
    InvalidDataset,
    NothingLeft,
    TIError,
    collected,
    faults_of,
    raise_together,
)
from lib_ti.events import Emit, Status, ignore
from lib_ti.host import Host, ModelInfo
from lib_ti.library.result import other_files
from lib_ti.training.measure import held_out_count, hold_out, steps_between
from lib_ti.training.noise import stretched
from lib_ti.training.optimizer import rate_of_numbers
from lib_ti.training.start import Start, embedding_paths, find_start
from lib_ti.training.validation import memory_needed, rate_warnings, session_request, validate_settings
from lib_ti.training.verdict import is_settled


@dataclass(frozen=True)
class Plan:
    """`paths`: where each embedding goes, by name; `rates`: a line for each stage of the schedule; `buckets`: pictures by (width, height); `prompts_seen` tells
    that the model sees the embedding in every prompt: where the model was at work, the run looks once it has it;
    `classes`: the class pictures, where there are any."""

    config: TrainConfig
    model: ModelInfo
    dataset: Dataset
    start: Start
    paths: dict[str, Path]
    last_step: int
    rates: tuple[str, ...]
    buckets: dict[tuple[int, int], int]
    warnings: tuple[str, ...]
    prompts_seen: bool = False
    memory: str = ""
    name_remark: str = ""
    classes: Dataset | None = None

    @property
    def first_step(self) -> int:
        return self.start.state.step

    @property
    def steps_per_epoch(self) -> int:
        return ceil(self.dataset.samples_per_epoch / self.config.images_per_update)

    @property
    def path(self) -> Path:
        """Of the first embedding."""
        return self.paths[self.config.embedding.name]

    @property
    def rows(self) -> dict[str, int]:
        """How many vectors each embedding has, by name."""
        return self.start.rows

    def stretched(self, host: Host, factor: float) -> Plan:
        """Of a run that has not begun: `factor` times as long, as its state will say."""
        config = stretched(self.config, factor)
        last = min(config.optim.steps, config.schedule.last_step or config.optim.steps)
        start = replace(self.start, state=replace(self.start.state, stretch=factor))
        rates = tuple(rates_in_words(host, config.schedule, 0, last))
        return replace(self, config=config, start=start, last_step=last, rates=rates)

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
        views = self.dataset.views
        masks = sum(picture.mask is not None for picture in self.dataset.pictures)
        shapes = ", ".join(f"{width}x{height}: {count}" for (width, height), count in self.buckets.items())
        return (
            f"Model: {self.model.name} ({self.model.family}, {self.model.prediction_type})",
            f"Start: {self.start.words}",
            *(f"Beside it: {name}, {words}" for name, words in self.start.further.items()),
            *self._pair_in_words(),
            *([f"Preset: {self.config.run.preset}"] if self.config.run.preset != "a1111" else []),
            f"Optimizer: {self._optimizer_in_words()}",
            f"Pictures: {len(self.dataset.pictures)} ({self.dataset.samples_per_epoch} an epoch with repeats), {shapes}"
            + (f", {masks} with a mask" if masks else "")
            + (f", encoded in {views} views" if views > len(self.dataset.pictures) else ""),
            *self._classes_in_words(),
            f"Update: {self.config.images_per_update} pictures "
            f"(batch size {optim.batch_size} x {optim.accumulation}), {self.steps_per_epoch} updates an epoch",
            f"Steps: {self.first_step + 1} to {self.last_step}, {epochs:.1f} epochs{self._end_in_words()}",
            *(f"Rate: {words}" for words in self.rates),
            *self._measuring_in_words(),
            *([f"Memory: {self.memory}"] if self.memory else []),
            f"Seed: {self.start.state.seed}",
            *(f"Embedding: {path}" for path in self.paths.values()),
            *([f"Name: {self.name_remark}"] if self.name_remark else []),
            f"Log: {self.start.folder.root}",
        )

    def _pair_in_words(self) -> list[str]:
        embedding = self.config.embedding
        if embedding.negative != "pair":
            return []
        return [
            f"Pair: {embedding.in_negative} is the negative prompt, with a guidance of {self.config.loss.guidance:g}"
        ]

    def _optimizer_in_words(self) -> str:
        optim = self.config.optim
        what = {
            "adamw": "AdamW",
            "normalised": "normalised: each update counts the same, however noisy its pictures are",
            "prodigy": "Prodigy, which finds its rate",
        }[optim.name]
        if optim.length == "free":
            return what
        most = "no longer than words" if optim.cap == 1 else f"at most {optim.cap:g} times as long as words"
        return f"{what}; vectors {most}, so that they do not drown the rest of a prompt"

    def _classes_in_words(self) -> list[str]:
        if not self.classes:
            return []
        weight = self.config.loss.prior_weight
        return [f"Class pictures: {len(self.classes.pictures)}, one with each picture, at weight {weight:g}"]

    def _end_in_words(self) -> str:
        part = self.config.measure
        return f", or the end of a stage that gains less than {part.gain:.0%}" if part.end else ""

    def _measuring_in_words(self) -> list[str]:
        part, every = self.config.measure, steps_between(self.config.measure, self.config.images_per_update)
        if not (every or part.end):
            return []
        held = [picture.name for picture in self.dataset.held_out]
        on = f"{len(held)} pictures held out ({', '.join(held)})" if held else "the training pictures"
        due = {step for step in range(every, self.last_step + 1, every) if step > self.first_step} if every else set()
        due |= set(self.config.schedule.ends(self.first_step, self.last_step)) if part.end else set()
        share = len(due) * part.samples / 2 / ((self.last_step - self.first_step) * self.config.images_per_update)
        best = "; the best becomes the embedding" if part.best else ""
        return [f"Measured: {len(due)} times, {part.samples} fixed samples of {on}, {share:.0%} of the work{best}"]


@dataclass(frozen=True)
class Outline:
    """A plan as far as it is known before a picture is opened: what can be refused at once has been. `start` is None only while
    it is made, for what is wrong with it."""

    config: TrainConfig
    model: ModelInfo
    listing: Listing
    paths: dict[str, Path]
    start: Start | None = None
    last_step: int = 0
    classes: Listing | None = None


def outline_training(host: Host, config: TrainConfig) -> Outline:
    """Raises InvalidConfig or InvalidDataset with every fault but those of pictures, EmbeddingExists, InvalidEmbedding, or Busy."""
    errors: list[TIError] = []
    outline = _outline(host, config, errors)
    with collected(errors):
        outline.listing.validate()
    with collected(errors):
        if outline.classes:
            outline.classes.validate()
    raise_together(errors)
    return outline


def plan_training(
    host: Host, run: TrainConfig | Outline, emit: Emit = ignore, given_up: Callable[[], bool] = lambda: False
) -> Plan:
    """Validate what is not yet, and above all decode every picture once; `emit` hears how far that is.

    Raises InvalidConfig or InvalidDataset with every fault, EmbeddingExists, InvalidEmbedding, Busy; GivenUp when `given_up()`.
    """

    def progress(done: int, total: int) -> None:
        if given_up():
            raise GivenUp("The run was stopped before its first step.")
        emit(Status(f"Checking picture {done} of {total}", done / total))

    emit(Status("Checking the pictures"))
    errors: list[TIError] = []
    outline = run if isinstance(run, Outline) else _outline(host, run, errors)
    config, start, dataset, classes, seen = outline.config, outline.start, None, None, False
    with collected(errors):
        dataset = scan_pictures(outline.listing, progress)
    with collected(errors):
        classes = scan_pictures(outline.classes, progress) if outline.classes else None
    named = all(
        fault.where not in ("embedding.name", EMBEDDINGS.where) for error in errors for fault in faults_of(error)
    )
    if dataset and named:
        with collected(errors):
            rows = start.rows if start else {one.name: one.vectors for one in config.embedding.embeddings()}
            found = [_validate_prompts(host, config, one, rows) for one in (dataset, classes) if one]
            seen = all(found)
    raise_together(errors)
    assert dataset
    assert start
    return _build_plan(host, outline, start, dataset, classes, seen)


def _outline(host: Host, config: TrainConfig, errors: list[TIError]) -> Outline:
    """What is wrong comes into `errors`, but for the data set's faults, which are in the listing. Raises where there is no model."""
    model, name = host.model(), config.embedding.name
    errors += validate_settings(host, model, config)
    names = config.embedding.called
    data = list_dataset(
        *(config.data, name, model.native_size, model.pixel_multiple, host.template_folders()),
        names if len(names) > 1 else (),
    )
    classes = None
    if config.data.class_folder:
        classes = list_class_pictures(config.data, config.embedding.init, name, model.native_size, model.pixel_multiple)
    outline = Outline(config, model, data, embedding_paths(host, config), classes=classes)
    with collected(errors):
        start = find_start(host, config)
        config = stretched(epochs_in_steps(config, data.samples_per_epoch, start), start.state.stretch)
        last = min(config.optim.steps, config.schedule.last_step or config.optim.steps)
        _validate_steps(config, start, last)
        return replace(outline, config=config, start=start, last_step=last)
    return outline


def epochs_in_steps(config: TrainConfig, samples_per_epoch: int, start: Start) -> TrainConfig:
    """With max steps so that the epochs are full, where epochs are asked for; they count over all runs of the embedding."""
    optim, state = config.optim, start.state
    if not optim.epochs or not samples_per_epoch:
        return config
    missing = max(0, optim.epochs * samples_per_epoch - state.samples)
    steps = state.step + ceil(missing / config.images_per_update)
    return replace(config, optim=replace(optim, steps=max(1, steps)))


def _build_plan(
    host: Host, outline: Outline, start: Start, dataset: Dataset, classes: Dataset | None, prompts_seen: bool
) -> Plan:
    config, model, paths, last = outline.config, outline.model, outline.paths, outline.last_step
    dataset = hold_out(dataset, held_out_count(config.measure, len(dataset.pictures)), start.state.seed)
    if classes:
        dataset = replace(dataset, fingerprint=f"{dataset.fingerprint}+{classes.fingerprint}")
    warnings = [*dataset.warnings, *start.warnings]
    for name, path in paths.items():
        others = [file for file in other_files(path, host.embeddings_folder()) if file not in paths.values()]
        warnings += shadow_warnings(name, host, others)
    if start.state.fingerprint not in ("", dataset.fingerprint):
        warnings.append("The pictures, captions or template have changed since the run began.")
    if last < config.optim.steps:
        warnings.append(
            f"The learning rate ends at step {last}, before max steps ({config.optim.steps}): so does training."
        )
    wanted = config.loss.prediction
    if wanted not in ("auto", model.prediction_type):
        warnings.append(
            f"It is trained as if the model predicted {wanted}, and it is taken for one of {model.prediction_type}: so are previews."
        )
    warnings += rate_warnings(host, config, start.state.step, last)
    shapes = buckets(dataset)
    largest = max([*shapes, *(buckets(classes) if classes else ())], key=prod)
    memory, short = memory_needed(host, config, largest, model.pixel_multiple)
    warnings += short
    return Plan(
        config=config,
        model=model,
        dataset=dataset,
        start=start,
        paths=paths,
        last_step=last,
        rates=tuple(rates_in_words(host, config.schedule, start.state.step, last)),
        buckets=shapes,
        warnings=tuple(warnings),
        prompts_seen=prompts_seen,
        memory=memory,
        name_remark=name_remark(config.embedding.name, host),
        classes=classes,
    )


def rates_in_words(host: Host, schedule: Schedule, first: int, last: int) -> Iterator[str]:
    """A line a stage. Relative rates are told as plain ones too, for each encoder."""
    for row in schedule.table(first, last):
        text = schedule.written(row.rate)
        if row.last_rate != row.rate:
            text += f" to {schedule.written(row.last_rate)}"
        if schedule.relative:
            top, widths = max(row.rate, row.last_rate), {one.name: one.width for one in host.model().encoders}
            plain = (
                f"{rate_of_numbers(top, True, length, widths[name]):.3g} in {name}"
                for name, length in word_lengths(host).items()
            )
            text += f" (at most {', '.join(plain)})"
        yield f"{text} for updates {row.first} to {row.last}"


def _validate_steps(config: TrainConfig, start: Start, last: int) -> None:
    first, part = start.state.step, config.measure
    as_it_was = config.embedding.resume and start.state.settings.get("optim.lr") == config.optim.lr
    if (
        part.end
        and as_it_was
        and start.saved
        and is_settled(start.state.measured, config.schedule.ends(0, last), part.gain)
    ):
        hint = "add a stage to the learning rate, or turn End by itself off, to go on"
        raise NothingLeft([Fault("measure.end", f"the run has ended by itself at step {first}", hint)])
    if last > first or (
        last == first and not start.saved
    ):  # a run that was cut off at its last step is yet to be saved
        return
    if config.optim.steps <= first:
        hint = f"{first} updates are done: set more than that, or overwrite to start anew"
        fault = Fault("optim.steps", f"{config.optim.steps} steps leave nothing to train", hint)
        if config.optim.epochs:
            fault = Fault("optim.epochs", f"{config.optim.epochs} epochs leave nothing to train", hint)
        raise NothingLeft([fault]) if config.embedding.resume else InvalidConfig([fault])
    hint = f"{first} updates are done and the last stage ends at {last}"
    fault = Fault("optim.lr", "the schedule lies wholly in the past", hint)
    raise NothingLeft([fault]) if as_it_was else InvalidConfig([fault])


def _validate_prompts(host: Host, config: TrainConfig, dataset: Dataset, rows: Mapping[str, int]) -> bool:
    """Whether it is known that the model sees the embeddings in the prompts: not so where the host is at work."""
    prompts, names = prompts_of(dataset, config.embedding.name), config.embedding.called
    if len(names) > 1 and (lost := set(names) - {name for prompt in prompts for name in called(prompt, names)}):
        hint = "write [NAME] into a template or caption, or say name=NAME in the line of its folder"
        raise InvalidDataset([Fault(EMBEDDINGS.where, f"no prompt holds {name}", hint) for name in sorted(lost)])
    seen = host.placeholder_rows(prompts, session_request(config, rows))
    if seen is not None:
        validate_rows_seen(dataset, config.embedding, rows, seen)
    return seen is not None


def prompts_of(dataset: Dataset, name: str) -> list[str]:
    """Every prompt that a picture may come with, before tags are varied, with the longest options of wildcards: line by line of
    the template, picture by picture."""
    return [
        source.prompt(line, name, picture.caption, longest)
        for picture in dataset.pictures
        for source in [dataset.source_of(picture)]
        for line in source.template.lines
    ]


def validate_rows_seen(
    dataset: Dataset, embedding: EmbeddingPart, rows: Mapping[str, int], seen: Sequence[Mapping[str, int]]
) -> None:
    """Raises InvalidDataset, which names each picture of whose prompts one shows the model fewer vectors than `rows` of an embedding
    that it calls; `seen` are the vectors that the model sees of each, by name, in each of `prompts_of`."""
    prompts, faults, end = prompts_of(dataset, embedding.name), [], 0
    for picture in dataset.pictures:
        begin, end = end, end + len(dataset.source_of(picture).template.lines)
        lost = (
            f"the model sees {seen[place][name]} of the {rows[name]} vectors of {name} in {prompts[place]!r}"
            for place in range(begin, end)
            for name in called(prompts[place], embedding.called) or embedding.called[:1]
            if seen[place][name] < rows[name]
        )
        if message := next(lost, ""):
            faults.append(Fault(picture.name, message, "shorten the caption, or move [name] to the front"))
    if faults:
        raise InvalidDataset(faults)
