"""One training run, from a plan to a saved embedding. Read `_Run.train`: it is the loop, in order."""

from __future__ import annotations

import json
import re
import time
import traceback
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import replace
from pathlib import Path

from lib_ti.atomic import write_atomically
from lib_ti.config.options import config_values
from lib_ti.control import Control
from lib_ti.dataset.dataset import sample_order, sample_prompt
from lib_ti.embedding.digest import digest_token_tables
from lib_ti.embedding.embedding import Embedding
from lib_ti.errors import GivenUp, TIError, TrainingFailed
from lib_ti.events import Emit, Finished, Paused, Planned, PreviewReady, Resumed, Saved, Status, StepDone, Warned
from lib_ti.formats.files import save_embedding
from lib_ti.formats.png import write_preview_png
from lib_ti.host import Host, SessionRequest, TrainingSession
from lib_ti.infotext import infotext
from lib_ti.training.latents import CachedPicture, cache_latents
from lib_ti.training.log import LossTable, TensorBoard, save_loss_plot
from lib_ti.training.plan import Plan, validate_prompts
from lib_ti.training.preview import card_path, preview_png, preview_request, save_card
from lib_ti.training.state import SUFFIX, optim_path, save_optim, save_state
from lib_ti.training.update import Sample, Trainee, draw_noise, draw_timesteps, take_update


def train(host: Host, plan: Plan, emit: Emit, control: Control) -> Path:
    """Train until the last step or `control.stop()`; the path of the embedding, which is saved if a step was begun.

    Raises InvalidDataset where the model does not see a caption as far as the vectors, before any step; TrainingFailed (memory
    that ran out is one) after the last good vectors have been saved; and what the host raises when it cannot go on.
    """
    plan.start.folder.make()
    emit(
        Planned(
            plan.config.embedding.name,
            plan.model.name,
            plan.first_step,
            plan.last_step,
            plan.lines(),
            plan.start.folder.root,
        )
    )
    for warning in plan.warnings:
        emit(Warned(warning))
    try:
        with closing(_Run(plan, host, emit, control)) as run, memory_faults_reported():
            run.train()
    except GivenUp:
        emit(Finished(plan.first_step, None, stopped=True))
    return plan.path


class _Run:
    session: TrainingSession
    token_tables: dict[str, str]
    trainee: Trainee

    def __init__(self, plan: Plan, host: Host, emit: Emit, control: Control) -> None:
        self.plan, self.host, self.emit, self.control = plan, host, emit, control
        self.config, self.folder = plan.config, plan.start.folder
        self.held = ExitStack()
        self.losses = LossTable(self.folder.losses, plan.first_step, self.config.save.csv_every)
        self.board = TensorBoard(self.folder.tensorboard, self.config.save.tensorboard, plan.first_step)
        self.picture_of = sample_order(plan.dataset.repeats, self.seed)
        self.cache: list[CachedPicture] = []
        self.newest = b""

    @property
    def seed(self) -> int:
        return self.plan.start.state.seed

    def open_session(self) -> TrainingSession:
        """Take the host's model, when it is free. Raises GivenUp when the user would rather stop than wait."""
        self.emit(Status("Waiting for the model"))
        run = self.config.run
        request = SessionRequest(
            self.config.embedding.name,
            self.plan.rows,
            run.clip_skip,
            run.checkpointing,
            run.networks,
            given_up=lambda: self.control.stopping,
        )
        with ExitStack() as stack:
            session = stack.enter_context(self.host.training_session(request))
            self.plan.validate_model(self.host.model())
            self.held = stack.pop_all()
        return session

    def close(self) -> None:
        self.losses.close()
        self.board.close()
        self.held.close()

    def train(self) -> None:
        self.session = self.open_session()
        self.token_tables = digest_token_tables(self.host)
        self.trainee = trainee = Trainee(self.plan.start.state, self.config.optim, self.session.device)
        optim, schedule = self.config.optim, self.config.schedule
        write_atomically(self.folder.settings, json.dumps(self.settings(), indent=1).encode())
        validate_prompts(self.session, self.plan.dataset, self.config.embedding.name, self.plan.rows)
        self.cache = cache_latents(self.session, self.plan.dataset, self.config.data.alpha_weight, self.show_encoding)
        if self.config.run.offload_images:
            self.session.offload_image_encoder()
        if self.config.preview.every and trainee.step == 0:
            self.preview()

        try:
            while trainee.step < self.plan.last_step and not self.control.stopping:
                began = time.perf_counter()
                self.session.check()
                rate = schedule.rate_at(trainee.step)
                assert rate is not None  # the plan ends where the schedule does
                samples = self.draw_samples()
                loss = take_update(self.session, trainee, samples, optim, self.config.loss, rate, self.clip_limit())
                self.report(loss, rate, len(samples), time.perf_counter() - began)
                self.keep_up()
        except Exception:
            # Between updates the vectors are always good: whatever went wrong, the work so far is not lost.
            if trainee.step > self.plan.first_step:
                self.save_embedding()
            raise

        self.save_embedding()
        if save_loss_plot(self.folder.losses, self.folder.plot, self.config.embedding.name):
            self.emit(Saved(trainee.step, self.folder.plot, "plot"))
        self.emit(Finished(trainee.step, self.plan.path, stopped=trainee.step < self.plan.last_step))

    def draw_samples(self) -> list[Sample]:
        """The pictures of the next update: a function of the seed and of how many pictures came before."""
        data, loss = self.config.data, self.config.loss
        first, count = self.trainee.samples, self.config.images_per_update
        timesteps = draw_timesteps(count, first, self.seed, len(self.session.alphas_cumprod), loss.stratified)
        samples = []
        for number, timestep in zip(range(first, first + count), timesteps, strict=True):
            index = self.picture_of(number)
            picture = self.cache[index]
            prompt = sample_prompt(self.plan.dataset, self.config.embedding.name, data, self.seed, number)
            latents = picture.draw(data.latent_sampling, self.seed, index, number)
            noise = draw_noise(latents.shape, loss.noise_offset, self.seed, number)
            samples.append(Sample(prompt, picture.size, latents, noise, timestep, picture.mask))
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
        self.losses.add(done)
        self.board.add(done)
        self.emit(done)
        self.session.show_progress(done.step - self.plan.first_step, self.plan.last_step - self.plan.first_step)

    def keep_up(self) -> None:
        """What is due after an update, by the settings or because someone asked; then the pause, if there is one."""
        step = self.trainee.step
        if _due(step, self.config.save.every):
            self.save_copy()
        if _due(step, self.config.preview.every):
            self.preview()
        if self.session.interrupted():
            self.control.stop()
        if self.control.take_save():
            self.save_copy()
        if self.control.take_preview():
            self.preview()
        if self.control.paused and not self.control.stopping:
            self.emit(Paused(step))
            self.pause()
            self.emit(Resumed(step))

    def pause(self) -> None:
        """The host has its model for itself until the run goes on, or somebody asks for a preview."""
        while self.control.paused:
            self.held.close()
            preview = False
            while not (preview or self.control.wait_while_paused(0.2)):
                preview = self.control.take_preview()
                if self.control.take_save():
                    self.save_copy()
            if self.control.stopping:
                return
            try:
                self.session = self.open_session()
            except GivenUp:
                return
            except TIError as error:  # such as another model, chosen meanwhile
                self.emit(Warned(f"The run stays paused. {error}"))
                self.control.pause()
                continue
            if self.config.run.offload_images:
                self.session.offload_image_encoder()
            if preview:
                self.preview()

    def embedding(self) -> Embedding:
        model, start = self.plan.model, self.plan.start
        return Embedding(
            name=self.config.embedding.name,
            vectors=self.trainee.plain_vectors(),
            step=self.trainee.step,
            model_name=model.name,
            model_hash=model.short_hash,
            family=model.family,
            recipe={"training": self.settings(), "pictures": len(self.plan.dataset.pictures), **start.state.recipe},
            token_tables=self.token_tables,
        )

    def settings(self) -> dict[str, object]:
        """As given, but with the seed that was drawn, so that the file brings the same run again."""
        embedding = replace(self.config.embedding, resume=False, overwrite=False)
        return config_values(replace(self.config, embedding=embedding, run=replace(self.config.run, seed=self.seed)))

    def save_copy(self) -> None:
        step = self.trainee.step
        copy = self.folder.copy(step, self.plan.path.suffix)
        save_embedding(self.embedding(), copy, overwrite=True)
        self.save_state(self.folder.state(step), copy)
        self.emit(Saved(step, copy, "copy"))

    def save_embedding(self) -> None:
        self.plan.path.parent.mkdir(parents=True, exist_ok=True)
        save_embedding(self.embedding(), self.plan.path, overwrite=True)
        self.save_state(self.plan.path.with_name(self.plan.path.name + SUFFIX), self.plan.path)
        self.emit(Saved(self.trainee.step, self.plan.path, "embedding"))
        if self.config.save.card and self.newest and save_card(self.newest, self.plan.path):
            self.emit(Saved(self.trainee.step, card_path(self.plan.path), "preview"))

    def save_state(self, path: Path, embedding: Path) -> None:
        trainee, dataset, model = self.trainee, self.plan.dataset, self.plan.model
        state = replace(
            self.plan.start.state,
            step=trainee.step,
            samples=trainee.samples,
            vectors=trainee.plain_vectors(),
            moments=trainee.moments(),
            fingerprint=dataset.fingerprint,
            model_hash=model.short_hash,
        )
        save_state(path, state)
        if self.config.save.optim and embedding.suffix == ".pt":
            save_optim(optim_path(embedding), trainee.optimizer_state(), next(iter(trainee.vectors.values())))

    def preview(self) -> None:
        step = self.trainee.step
        self.emit(Status(f"Making a preview at step {step}"))
        request = preview_request(self.plan)
        image = self.session.preview(request, {key: value.detach() for key, value in self.trainee.vectors.items()})
        if image is None:
            return
        path = self.folder.preview(step)
        self.newest = preview_png(image, infotext(request, self.plan.model))
        write_atomically(path, self.newest)
        if self.config.save.in_previews:
            write_atomically(self.folder.preview_embedding(step), write_preview_png(image, self.embedding()))
        self.board.add_preview(image, step)
        self.emit(PreviewReady(step, path, request.prompt, request.seed))

    def show_encoding(self, done: int, total: int) -> None:
        if self.control.stopping or self.session.interrupted():
            raise GivenUp("The run was stopped before its first step.")
        self.emit(Status(f"Encoding picture {min(done + 1, total)} of {total}", done / total))


def _due(step: int, every: int) -> bool:
    return every > 0 and step % every == 0


_SAYS_SO = re.compile(r"out of memory|can't allocate memory", re.IGNORECASE)
"""CUDA and MPS say the first, torch's allocator on the CPU the second; only CUDA's has a type of its own."""


@contextmanager
def memory_faults_reported() -> Iterator[None]:
    """Raises TrainingFailed in the place of torch's error, with nothing of the run held any longer by its traceback."""
    try:
        yield
    except RuntimeError as error:
        if not _SAYS_SO.search(str(error)):
            raise
        traceback.clear_frames(error.__traceback__)
        reason = str(error).strip().splitlines()[0].rstrip(".")
        raise TrainingFailed(
            f"The memory ran out: {reason}.",
            "Vectors of the steps that were done are saved. Train with smaller pictures (Width, Height), micro-batches of 1 or "
            "Gradient checkpointing, or move the VAE to RAM; then resume.",
        ) from None
