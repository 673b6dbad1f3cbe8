"""What a run keeps: the embedding in its place, copies in the log, and the state from which it can go on."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import replace
from pathlib import Path

from lib_ti.config.options import config_values
from lib_ti.embedding.embedding import Embedding
from lib_ti.errors import TIError, TrainingFailed
from lib_ti.events import Emit, Saved
from lib_ti.formats.files import save_embedding
from lib_ti.training.measure import Measurer
from lib_ti.training.plan import Plan
from lib_ti.training.state import RunState, optim_path, save_optim, save_state, state_path
from lib_ti.training.update import Trainee
from lib_ti.training.verdict import best_of


def settings_of(plan: Plan) -> dict[str, object]:
    """As given, but with the seed that was drawn and as long as noise has made it, so that the file brings the same run again."""
    config, state = plan.config, plan.start.state
    measure = replace(config.measure, noise=config.measure.noise and state.stretch == 1)
    embedding = replace(config.embedding, resume=False, overwrite=False)
    return config_values(
        replace(config, embedding=embedding, measure=measure, run=replace(config.run, seed=state.seed))
    )


class Keeper:
    """Writes what has been learned. `sync` is called before a state is written, for the logs that it goes on after;
    in `warnings(what)` a fault is told, and the run goes on."""

    def __init__(
        self,
        plan: Plan,
        trainee: Trainee,
        measurer: Measurer,
        token_tables: Mapping[str, str],
        emit: Emit,
        sync: Callable[[], None],
        warnings: Callable[[str], AbstractContextManager[None]],
    ) -> None:
        self.plan, self.trainee, self.measurer, self.emit, self.sync = plan, trainee, measurer, emit, sync
        self.config, self.folder, self.token_tables = plan.config, plan.start.folder, token_tables
        self.warnings = warnings
        self._copied: int | None = None  # the step of the newest copy
        self._copies: list[int] = []  # their steps: those that this run wrote in their turn, and that are still there

    def embedding(self, name: str, best: bool = False) -> Embedding:
        """One of the run's, of its vectors as they are, or of the best that were measured."""
        model, learned = self.plan.model, self.plan.start.state.learned(self.folder.name)
        measured = best_of(self.measurer.measured) if best else None
        return Embedding(
            name=name,
            vectors=self.measurer.best[name] if measured else self.trainee.embeddings[name].plain_vectors(),
            step=measured.step if measured else self.trainee.step,
            model_name=model.name,
            model_hash=model.short_hash,
            family=model.family,
            recipe={
                "training": settings_of(self.plan),
                "pictures": len(self.plan.dataset.pictures),
                **learned[name].recipe,
            },
            token_tables=self.token_tables,
        )

    def state(self, name: str) -> RunState:
        """Of all embeddings of the run, to go with the file of one of them."""
        trainee, dataset, model, start = self.trainee, self.plan.dataset, self.plan.model, self.plan.start.state
        learned = {
            name: replace(
                before,
                vectors=trainee.embeddings[name].plain_vectors(),
                moments=trainee.embeddings[name].moments(),
                best=self.measurer.best.get(name, {}),
            )
            for name, before in start.learned(self.folder.name).items()
        }
        return replace(
            start.holding(learned, name),
            step=trainee.step,
            samples=trainee.samples,
            optimizer=self.config.optim.name,
            measured=tuple(self.measurer.measured),
            fingerprint=dataset.fingerprint,
            model_hash=model.short_hash,
            model_name=model.name,
            token_tables=self.token_tables,
            settings=settings_of(self.plan),
        )

    def save_copy(self) -> None:
        self.sync()
        step = self.trainee.step
        for name, path in self.plan.paths.items():
            folder = self.folder.of(name)
            copy = folder.copy(step, path.suffix)
            self.save(self.embedding(name), copy, folder.state(step))
            self.emit(Saved(step, copy, "copy"))
        self._copied = step

    def save_due(self) -> None:
        """A copy in its turn, for which an older one may go."""
        self.save_copy()
        self._copies.append(self.trainee.step)
        while 0 < self.config.save.keep < len(self._copies):
            step = self._copies.pop(0)
            with self.warnings("Deleting an old copy"):
                for name, path in self.plan.paths.items():
                    folder = self.folder.of(name)
                    copy = folder.copy(step, path.suffix)
                    for one in (copy, optim_path(copy), folder.state(step)):
                        one.unlink(missing_ok=True)

    def save_asked(self) -> None:
        """A copy that somebody asked for. It stays, whatever was written for it before."""
        self.save_copy()
        self._copies = [step for step in self._copies if step != self.trainee.step]

    def save_embeddings(self) -> None:
        """Into their places: of the best vectors where that is asked for; the last ones then stay as copies."""
        measured = self.measurer.measured
        earlier = self.config.measure.best and bool(measured) and best_of(measured).step < self.trainee.step
        if earlier and self._copied != self.trainee.step:
            self.save_copy()
        self.sync()
        with self.state_in_the_log():
            for name, path in self.plan.paths.items():
                embedding = self.embedding(name, best=earlier)
                self.save(embedding, path, state_path(path))
                self.emit(Saved(embedding.step, path, "embedding"))

    @contextmanager
    def state_in_the_log(self) -> Iterator[None]:
        """While the embedding's file is new and the state beside it is the older one's yet. Else a run that is killed in between
        could not be resumed: it would begin anew, from its own vectors without their momentum."""
        path = self.folder.state(self.trainee.step)
        there = path.exists()
        with suppress(TIError):  # where the log has no room, the embedding may still have it
            save_state(path, self.state(self.folder.name))
        yield
        if not there:
            with suppress(OSError):
                path.unlink()

    def save(self, embedding: Embedding, path: Path, state_file: Path) -> None:
        """An embedding, and all that it takes to go on from the vectors as they are. Raises TIError where they cannot be written."""
        learner = self.trainee.embeddings[embedding.name]
        save_embedding(embedding, path, overwrite=True)
        save_state(state_file, self.state(embedding.name))
        if self.config.save.optim and path.suffix == ".pt" and embedding.step == self.trainee.step:
            save_optim(optim_path(path), learner.a1111_optimizer_state(), next(iter(learner.vectors.values())))

    def rescue(self, error: TIError) -> TrainingFailed:
        """The embedding and its state, which cannot be where they belong, go wherever there is room: what to raise then."""
        path, step = self.plan.path, self.trainee.step
        with suppress(TIError):
            self.save_copy()
            where = self.folder.copy(step, path.suffix)
            return TrainingFailed(
                f"The embedding could not be saved: {error}",
                f"Its vectors of step {step} are in {where}: Resume goes on from there once there is room.",
            )
        for folder in (None, Path.home()):  # the system's own folder for what is temporary, first
            with suppress(TIError, OSError):
                place = Path(tempfile.mkdtemp(prefix=f"{path.stem}-", dir=folder))
                for name, one in reversed(self.plan.paths.items()):
                    where = place / one.name
                    self.save(self.embedding(name), where, state_path(where))
                    self.emit(Saved(step, where, "copy"))
                return TrainingFailed(
                    f"The embedding could not be saved: {error}",
                    f"Its vectors of step {step} are in {where}, beside the state to resume from: "
                    f"move both to {path.parent}.",
                )
        return TrainingFailed(f"The embedding could be saved nowhere: {error}", "Of this run only its copies are left.")
