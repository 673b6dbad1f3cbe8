"""One training run, from a plan to a saved embedding. Read `_Run.train`: it is the loop, in order."""

from __future__ import annotations

import json
import logging
import re
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path

from lib_ti.atomic import write_atomically
from lib_ti.config.train import TrainConfig
from lib_ti.control import Control
from lib_ti.embedding.digest import digest_token_tables
from lib_ti.embedding.vocabulary import word_lengths
from lib_ti.errors import GivenUp, TIError, TrainingFailed
from lib_ti.events import (
    Emit,
    Finished,
    Judged,
    Measured,
    Paused,
    Planned,
    PreviewReady,
    Resumed,
    Saved,
    Status,
    StepDone,
    Warned,
)
from lib_ti.formats.png import write_preview_png
from lib_ti.host import Host, ImageRequest, TrainingSession
from lib_ti.infotext import infotext
from lib_ti.training.context import Context, find_context
from lib_ti.training.keeper import Keeper, settings_of
from lib_ti.training.latents import Views, cache_latents
from lib_ti.training.lock import training_lock
from lib_ti.training.log import LossTable, TensorBoard, read_losses, save_loss_plot, save_measurements
from lib_ti.training.measure import Measurer, fixed_samples, kept_of_context
from lib_ti.training.noise import SAMPLES, USUAL, picture_gradients, signal_to_noise, stretch_for
from lib_ti.training.plan import Outline, Plan, plan_training, prompts_of, validate_rows_seen
from lib_ti.training.preview import card_path, preview_png, preview_requests, save_card
from lib_ti.training.samples import draw_samples
from lib_ti.training.update import Sample, Trainee, draw_timesteps, own_count, take_update
from lib_ti.training.validation import session_request
from lib_ti.training.verdict import best_of, judge

RETRY_SECONDS = 15.0
"""Between two trials of a save that failed."""
MAX_LENGTH = 20.0
"""By so many words' lengths no trained vector is longer that is of use."""
MAX_LOSS = 100.0
"""A model that answers with zeros has a loss of 1."""

_log = logging.getLogger(__name__)


def train(host: Host, run: TrainConfig | Outline | Plan, emit: Emit, control: Control) -> Path | None:
    """Train until the last step or `control.stop()`; the path of the embedding, which is saved if a step was taken. None where
    the user gave up while the pictures were checked.

    Raises what `plan_training` does, and Busy or InvalidDataset (a caption that the model does not read as far as the vectors),
    before anything is written; TrainingFailed (memory that ran out is one), and what the host raises when it cannot go on,
    after the last good vectors have been saved.
    """
    plan = None
    try:
        plan = run if isinstance(run, Plan) else plan_training(host, run, emit, lambda: control.stopping)
        with ExitStack() as stack:
            for path in plan.paths.values():
                stack.enter_context(training_lock(path))
            this = stack.enter_context(closing(_Run(plan, host, emit, control)))
            stack.enter_context(memory_faults_reported())
            this.train()
    except GivenUp:
        emit(Finished(plan.first_step if plan else 0, None, stopped=True))
    return plan.path if plan else None


class _Run:
    session: TrainingSession
    token_tables: dict[str, str]
    words: dict[str, float]
    trainee: Trainee
    context: Context | None
    measurer: Measurer
    keeper: Keeper
    losses: LossTable
    board: TensorBoard

    def __init__(self, plan: Plan, host: Host, emit: Emit, control: Control) -> None:
        self.plan, self.host, self.emit, self.control = plan, host, emit, control
        self.config, self.folder = plan.config, plan.start.folder
        self.held, self.files, self.has_model = ExitStack(), ExitStack(), False
        self.cache: list[Views] = []
        self.class_cache: list[Views] = []
        self.newest: dict[str, bytes] = {}
        self.warned: set[str] = set()

    @property
    def seed(self) -> int:
        return self.plan.start.state.seed

    def open_session(self) -> TrainingSession:
        """Take the host's model, when it is free. Raises GivenUp when the user would rather stop than wait."""
        self.emit(Status("Waiting for the model"))
        request = session_request(self.config, self.plan.rows, given_up=lambda: self.control.stopping)
        with ExitStack() as stack:
            session = stack.enter_context(self.host.training_session(request))
            self.plan.validate_model(self.host.model())
            self.held = stack.pop_all()
        self.has_model = True
        return session

    def give_back(self) -> None:
        """The host has its model."""
        self.has_model = False
        self.held.close()

    def close(self) -> None:
        with self.warnings("Closing the logs"):
            self.files.close()
        self.give_back()

    def train(self) -> None:
        self.prepare()
        plan, trainee = self.plan, self.trainee
        optim, schedule = self.config.optim, self.config.schedule
        try:
            while trainee.step < plan.last_step and not (self.control.stopping or self.measurer.settled):
                began = time.perf_counter()
                self.session.check()
                rate = schedule.rate_at(trainee.step)
                assert rate is not None  # the plan ends where the schedule does
                samples = self.draw_samples()
                loss = take_update(
                    *(self.session, trainee, samples, optim, self.config.loss),
                    rate,
                    schedule.relative,
                    self.clip_limit(),
                    self.context,
                )
                self.report(loss, rate, own_count(samples), time.perf_counter() - began)
                self.keep_up()
            if self.has_model and trainee.step > plan.first_step and self.measurer.is_missing(trainee.step):
                self.measure()
        except Exception:
            # Between updates the vectors are always good: whatever went wrong, the work so far is not lost.
            if trainee.step > plan.first_step:
                try:
                    self.save_embeddings()
                except TIError as error:
                    self.emit(Warned(str(self.keeper.rescue(error))))
            raise

        if trainee.step == plan.first_step < plan.last_step:  # nothing was learned, and what the file holds may be more
            raise GivenUp("The run was stopped before its first step.")
        if failure := self.keep_trying(self.save_embeddings):
            raise self.keeper.rescue(failure)
        with self.warnings("The verdict"):
            self.judge()
        with self.warnings("The plot of the losses"):
            if save_loss_plot(self.folder.losses, self.folder.plot, self.config.embedding.name, self.measurer.measured):
                self.emit(Saved(trainee.step, self.folder.plot, "plot"))
        self.emit(Finished(trainee.step, plan.path, stopped=self.control.stopping and trainee.step < plan.last_step))

    def prepare(self) -> None:
        """Everything up to the first update; nothing is written before all that can be refused has been."""
        plan = self.plan
        name, lines, folder = self.config.embedding.name, plan.lines(), self.folder.root
        self.emit(Planned(name, plan.model.name, plan.first_step, plan.last_step, lines, folder))
        for warning in plan.warnings:
            self.emit(Warned(warning))
        self.session = self.open_session()
        if not plan.prompts_seen:
            for dataset in filter(None, (plan.dataset, plan.classes)):
                seen = [self.session.placeholder_rows(prompt) for prompt in prompts_of(dataset, name)]
                validate_rows_seen(dataset, self.config.embedding, plan.rows, seen)
        self.token_tables, self.words = digest_token_tables(self.host), word_lengths(self.host)
        self.trainee = Trainee(plan.start.state, self.config.optim, self.session.device, self.words, name)
        self.context = find_context(self.host, self.config, plan.rows[name], self.seed)
        self.open_files()
        self.cache = cache_latents(self.session, plan.dataset, self.show_encoding)
        if plan.classes:
            self.class_cache = cache_latents(self.session, plan.classes, self.show_encoding)
        if self.config.run.offload_images:
            self.session.offload_image_encoder()
        if self.config.measure.noise and self.trainee.step == 0:
            self.heed_noise()
        start, plan = self.plan.start, self.plan
        self.measurer = Measurer(
            self.config, plan.dataset, self.cache, start.state, plan.last_step, goes_on=start.saved
        )
        kept = (plan, self.trainee, self.measurer, self.token_tables, self.emit)
        self.keeper = Keeper(*kept, self.sync_losses, self.warnings)
        if self.config.preview.every and self.trainee.step == 0:
            self.preview()
        if self.measurer.is_due(self.trainee.step):
            self.measure()

    def open_files(self) -> None:
        """From here on the run writes."""
        save, first = self.config.save, self.plan.first_step
        self.folder.make()
        self.write_settings()
        self.losses = self.files.enter_context(closing(LossTable(self.folder.losses, first, save.csv_every)))
        self.board = self.files.enter_context(closing(TensorBoard(self.folder.tensorboard, save.tensorboard, first)))

    def write_settings(self) -> None:
        write_atomically(self.folder.settings, json.dumps(settings_of(self.plan), indent=1).encode())

    def heed_noise(self) -> None:
        """Before the first step: tell how noisy a picture's gradient is, and lengthen the run where it is far noisier than usual."""
        plan, config, session = self.plan, self.config, self.session
        samples = fixed_samples(plan.dataset, self.cache, config, self.seed, SAMPLES)
        ratio = signal_to_noise(
            picture_gradients(session, self.trainee.vectors, samples, config.loss, self.show_gradients)
        )
        factor = stretch_for(ratio) if config.optim.name == "normalised" else 1.0
        reason = f"the signal-to-noise ratio of a picture's gradient is {ratio:.3f}; it was {USUAL[0]} to {USUAL[1]} in the demo models"
        longer = f"The run is {factor:.1f} times as long for it." if factor > 1 else "The run stays as it is planned."
        self.emit(Judged("noise", reason, longer))
        if factor > 1:
            self.plan = plan = plan.stretched(self.host, factor)
            self.config = plan.config
            self.trainee = Trainee(
                plan.start.state, self.config.optim, session.device, self.words, self.config.embedding.name
            )
            self.write_settings()
            name, model = self.config.embedding.name, plan.model.name
            self.emit(Planned(name, model, plan.first_step, plan.last_step, plan.lines(), self.folder.root))

    def draw_samples(self) -> list[Sample]:
        """The pictures of the next update, and those of the class that go with them."""
        plan, config, loss, first = self.plan, self.config, self.config.loss, self.trainee.samples
        least, most = loss.timestep_min, min(loss.timestep_max, len(self.session.alphas_cumprod) - 1)
        count, strata = config.images_per_update, loss.stratified
        timesteps = draw_timesteps(count, first, self.seed, most - least + 1, strata, least)
        samples = draw_samples(plan.dataset, self.cache, config, self.seed, first, timesteps)
        if plan.classes:
            samples += draw_samples(plan.classes, self.class_cache, config, self.seed, first, timesteps, prior=True)
        return samples

    def clip_limit(self) -> float:
        optim = self.config.optim
        if optim.clip == "disabled":
            return 0.0
        return self.config.clip_schedule.rate_at(self.trainee.step) or self.config.clip_schedule.stages[-1].rate

    def report(self, loss: float, rate: float, images: int, seconds: float) -> None:
        before, epoch = self.trainee.samples - images, self.plan.dataset.samples_per_epoch
        done = StepDone(
            step=self.trainee.step,
            last_step=self.plan.last_step,
            epoch=before // epoch,
            epoch_step=before % epoch // images,
            loss=loss,
            rate=rate,
            norms=self.trainee.norms(),
            images=images,
            seconds=seconds,
        )
        with self.warnings("Writing down the losses"):
            self.losses.add(done)
            self.board.add(done)
        self.emit(done)
        self.warn_of_senseless(done)
        self.session.show_progress(done.step - self.plan.first_step, self.plan.last_step - self.plan.first_step)

    def warn_of_senseless(self, done: StepDone) -> None:
        """What no embedding can be good with is told, once a run."""
        for what, length in done.norms.items():
            words = self.trainee.words_of(what)
            if length > MAX_LENGTH * words:
                self.warn(
                    what,
                    f"The vectors of {what} are {length:.3g} long on the average, and words {words:.2g}: they will spoil "
                    "prompts. Try a lower learning rate.",
                )
        if done.loss > MAX_LOSS:
            self.warn("loss", f"The loss is {done.loss:.3g}: the vectors tell the model nothing.")

    def warn(self, about: str, text: str) -> None:
        """Once a run for each `about`."""
        if about not in self.warned:
            self.warned.add(about)
            self.emit(Warned(f"Step {self.trainee.step}: {text}"))

    @contextmanager
    def warnings(self, what: str) -> Iterator[None]:
        """A fault of what is not the training itself is told, and the run goes on."""
        try:
            yield
        except (TIError, OSError) as error:
            self.warn(what, f"{what} failed. {error}")

    def keep_up(self) -> None:
        """What is due after an update, by the settings or because someone asked; then the pause, if there is one."""
        step = self.trainee.step
        if self.measurer.is_due(step):
            self.measure()
        if _due(step, self.config.save.every) and self.keep_trying(self.keeper.save_due):
            return  # stopped for want of room, and the host has its model again
        if _due(step, self.config.preview.every):
            self.preview()
        if self.session.interrupted():
            self.control.stop()
        if self.control.take_save():
            self.save_asked()
        if self.control.take_preview():
            self.preview()
        if self.control.paused and not self.control.stopping:
            self.emit(Paused(step))
            self.pause()
            self.emit(Resumed(step))

    def pause(self) -> None:
        """The host has its model for itself until the run goes on, or somebody asks for a preview."""
        while self.control.paused:
            self.give_back()
            preview = False
            while not (preview or self.control.wait_while_paused(0.2)):
                preview = self.control.take_preview()
                if self.control.take_save():
                    self.save_asked()
            if not self.control.stopping and self.reopen() and preview:
                self.preview()

    def reopen(self) -> bool:
        """Take the model again after a pause; False where the run stops instead, or stays paused."""
        try:
            self.session = self.open_session()
        except GivenUp:
            return False
        except TIError as error:  # such as another model, chosen meanwhile
            self.emit(Warned(f"The run stays paused. {error}"))
            self.control.pause()
            return False
        if self.config.run.offload_images:
            self.session.offload_image_encoder()
        return True

    def keep_trying(self, save: Callable[[], None]) -> TIError | None:
        """`save`. Where that fails, as on a full disk, the run pauses, the host has its model, and it is tried again until it is
        done or the user stops the run: then the reason is returned."""
        told, paused = "", self.control.paused
        while True:
            try:
                save()
                break
            except TIError as error:
                if self.control.stopping:
                    return error
                self.give_back()
                self.control.pause()
                if told != str(error):
                    told = str(error)
                    self.emit(Paused(self.trainee.step, f"{told} It is tried again every {RETRY_SECONDS:g} seconds."))
                self.control.wait_while_paused(RETRY_SECONDS)
        if told:
            if not paused:
                self.control.resume()
            self.emit(Resumed(self.trainee.step))
            if self.trainee.step < self.plan.last_step and not self.control.stopping and not self.reopen():
                self.pause()
        return None

    def save_embeddings(self) -> None:
        self.keeper.save_embeddings()
        for name, picture in self.newest.items():
            path = self.plan.paths[name]
            with self.warnings("The card picture"):
                if self.config.save.card and save_card(picture, path):
                    self.emit(Saved(self.trainee.step, card_path(path), "preview"))

    def sync_losses(self) -> None:
        """Before a state that goes on after them."""
        with self.warnings("Writing down the losses"):
            self.losses.sync()

    def save_asked(self) -> None:
        """A copy that somebody asked for, who is there to ask again."""
        with self.warnings("The copy"):
            self.keeper.save_asked()

    def measure(self) -> None:
        step, part = self.trainee.step, self.config.measure
        self.emit(Status(f"Measuring at step {step}"))
        now = self.measurer.measure(self.session, step, self.trainee.vectors)
        best, held_out = best_of(self.measurer.measured).step, bool(self.plan.dataset.held_out)
        done = Measured(step, now.loss, now.score, best, held_out, part.samples / 2)
        self.board.add_measured(done)
        with self.warnings("Writing down the measurements"):
            save_measurements(self.folder.measurements, self.measurer.measured)
        self.emit(done)

    def judge(self) -> None:
        """What the measurements say, in words."""
        if not (self.measurer.on and self.has_model):
            return
        lengths = {what: length / self.trainee.words_of(what) for what, length in self.trainee.norms().items()}
        losses = [float(row["loss"]) for row in read_losses(self.folder.losses)]
        held_out, measured = bool(self.plan.dataset.held_out), self.measurer.measured
        for verdict in judge(measured, losses, lengths, self.kept(), held_out, self.config.measure.gain):
            self.emit(Judged(verdict.kind, verdict.reason, verdict.hint))

    def kept(self) -> float | None:
        """What a prompt's other words keep beside the embedding; of several, the one beside which they keep least."""
        embedding, size = self.config.embedding, self.measurer.samples[0].size
        found = [
            kept_of_context(self.session, self.host, one.name, size, self.trainee.vectors, one.init)
            for one in embedding.embeddings()
            if one.name in embedding.called
        ]
        return min((one for one in found if one is not None), default=None)

    def preview(self) -> None:
        """Pictures are not what the run is for: where one fails, that is told, and the run goes on."""
        step = self.trainee.step
        self.emit(Status(f"Making a preview at step {step}"))
        try:
            for name, request in preview_requests(self.plan).items():
                self.draw_preview(step, name, request)
        except (GivenUp, MemoryError):
            raise
        except Exception as error:  # noqa: BLE001 - hosts and their extensions raise anything
            traceback.clear_frames(error.__traceback__)  # which may hold the host's memory
            if not isinstance(error, (TIError, OSError)):
                _log.exception("A preview failed")
            self.emit(
                Warned(f"The preview at step {step} failed, and the run goes on. {error or type(error).__name__}")
            )

    def draw_preview(self, step: int, name: str, request: ImageRequest) -> None:
        """The picture for embedding `name`."""
        vectors = {
            name: {key: value.detach() for key, value in one.items()} for name, one in self.trainee.vectors.items()
        }
        image, folder = self.session.preview(request, vectors), self.folder.of(name)
        if image is None:
            return
        path = folder.preview(step)
        self.newest[name] = preview_png(image, infotext(request, self.plan.model))
        write_atomically(path, self.newest[name])
        if self.config.save.in_previews:
            write_atomically(folder.preview_embedding(step), write_preview_png(image, self.keeper.embedding(name)))
        self.board.add_preview(image, step, "preview" if name == self.folder.name else f"preview/{name}")
        self.emit(PreviewReady(step, path, request.prompt, request.seed))

    def show_encoding(self, done: int, total: int) -> None:
        if self.control.stopping or self.session.interrupted():
            raise GivenUp("The run was stopped before its first step.")
        self.emit(Status(f"Encoding picture {min(done + 1, total)} of {total}", done / total))

    def show_gradients(self, done: int, total: int) -> None:
        if self.control.stopping or self.session.interrupted():
            raise GivenUp("The run was stopped before its first step.")
        self.emit(Status(f"Measuring the noise of gradient {done + 1} of {total}", done / total))


def _due(step: int, every: int) -> bool:
    return every > 0 and step % every == 0


_SAYS_SO = re.compile(r"out of memory|can't allocate memory", re.IGNORECASE)
"""CUDA and MPS say the first, torch's allocator on the CPU the second; only CUDA's has a type of its own."""

SMALLER = (
    "Vectors of the steps that were done are saved. Train with smaller pictures (Width, Height), micro-batches of 1 or "
    "Gradient checkpointing, or move the VAE to RAM; then resume."
)


@contextmanager
def memory_faults_reported(hint: str = SMALLER) -> Iterator[None]:
    """Raises TrainingFailed in the place of torch's error, with what to do, and with nothing of the run held any longer by its traceback."""
    try:
        yield
    except RuntimeError as error:
        if not _SAYS_SO.search(str(error)):
            raise
        traceback.clear_frames(error.__traceback__)
        reason = str(error).strip().splitlines()[0].rstrip(".")
        raise TrainingFailed(f"The memory ran out: {reason}.", hint) from None
