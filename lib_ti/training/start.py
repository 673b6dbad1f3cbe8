"""Where a run starts, and where it keeps its files.

It starts from nothing, from a created embedding, or from the newest copy of an earlier run; its folder has A1111's layout,
`<log>/<date>/<name>/{embeddings,images,image_embeddings}`.
"""

from __future__ import annotations

import os
import re
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import date, datetime, timezone
from pathlib import Path
from typing import Any

from lib_ti.config.train import FORMATS, TrainConfig
from lib_ti.create import initial_vectors
from lib_ti.embedding.digest import digest_vectors
from lib_ti.embedding.embedding import Embedding
from lib_ti.errors import EmbeddingExists, HostError, InvalidEmbedding
from lib_ti.formats.files import load_embedding
from lib_ti.host import Host
from lib_ti.training.state import SUFFIX, Moments, RunState, load_optim, load_state, optim_path


@dataclass(frozen=True)
class RunFolder:
    root: Path
    name: str

    def copy(self, step: int, suffix: str) -> Path:
        return self.root / "embeddings" / f"{self.name}-{step}{suffix}"

    def state(self, step: int) -> Path:
        return self.copy(step, SUFFIX)

    def preview(self, step: int) -> Path:
        return self.root / "images" / f"{self.name}-{step}.png"

    def preview_embedding(self, step: int) -> Path:
        return self.root / "image_embeddings" / f"{self.name}-{step}.png"

    @property
    def losses(self) -> Path:
        return self.root / "textual_inversion_loss.csv"

    @property
    def settings(self) -> Path:
        return self.root / "settings.json"

    @property
    def plot(self) -> Path:
        return self.root / "loss.png"

    @property
    def tensorboard(self) -> Path:
        return self.root / "tensorboard"

    def make(self) -> None:
        """Raises HostError before any work where nothing can be written."""
        try:
            for name in ("embeddings", "images", "image_embeddings"):
                (self.root / name).mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise HostError(
                f"The log folder cannot be made: {error.strerror}.", "Choose another one.", str(self.root)
            ) from error
        if not os.access(self.root, os.W_OK):
            raise HostError("The log folder cannot be written to.", "Choose another one.", str(self.root))


def new_run_folder(log: Path, name: str) -> RunFolder:
    """A folder of today that no other run has: NAME, or NAME-2, NAME-3 …"""
    day = log / date.today().isoformat()
    root, number = day / name, 1
    while root.exists() and any(root.iterdir()):
        number += 1
        root = day / f"{name}-{number}"
    return RunFolder(root, name)


def find_states(log: Path, name: str) -> list[Path]:
    """The states of all runs of `name` that still lie in the log folder, in no particular order."""
    folder = re.compile(re.escape(name) + r"(-[0-9]+)?")
    copy = re.compile(re.escape(name) + r"-[0-9]+" + re.escape(SUFFIX))
    return [
        state
        for run in sorted(log.glob("[0-9][0-9][0-9][0-9]-[0-9][0-9]-[0-9][0-9]/*"))
        if folder.fullmatch(run.name)
        for state in (run / "embeddings").glob(f"*{SUFFIX}")
        if copy.fullmatch(state.name)
    ]


@dataclass(frozen=True)
class Start:
    """`words` says for people where the run starts; `warnings` what they may not expect."""

    state: RunState
    folder: RunFolder
    words: str
    warnings: tuple[str, ...] = ()


def embedding_path(host: Host, config: TrainConfig) -> Path:
    """The file of this name in whichever form it exists, for two of one name hide each other; else one of the chosen form."""
    folder = Path(config.save.folder) if config.save.folder else host.embeddings_folder()
    paths = [folder / f"{config.embedding.name}.{form}" for form in (config.save.format, *FORMATS)]
    return next((path for path in paths if path.is_file()), paths[0])


def log_path(host: Host, config: TrainConfig) -> Path:
    return Path(config.save.log_folder) if config.save.log_folder else host.log_folder()


def find_start(host: Host, config: TrainConfig) -> Start:
    """Raises EmbeddingExists where a trained embedding would be lost, InvalidEmbedding where one does not fit the model."""
    path, log = embedding_path(host, config), log_path(host, config)
    # Overwriting means that the file as it is does not matter, not even for which run is resumed.
    counts = path.exists() and not config.embedding.overwrite
    existing = load_embedding(path).fit_to(host.model()) if counts else None
    if config.embedding.resume:
        newest = _newest_state(path, log, config.embedding.name, existing)
        if newest:
            return _resumed(host, newest, log, config.embedding.name)
        if existing and existing.step:
            return _continued(config, log, existing, path)
    elif existing and existing.step:
        raise EmbeddingExists(
            f"{path.name} exists and is trained for {existing.step} steps.",
            "Resume to go on from there, overwrite to start anew, or choose another name.",
            str(path),
        )
    return _fresh(host, config, log, existing)


def _fresh(host: Host, config: TrainConfig, log: Path, created: Embedding | None) -> Start:
    recipe: Mapping[str, Any] = {}
    if created:
        recipe = {"start": created.recipe or {"source": "embedding", "file": embedding_path(host, config).name}}
        vectors, words = dict(created.vectors), f"from {created.name} as it was created ({created.rows} vectors)"
    else:
        vectors = initial_vectors(host, config.embedding.init, config.embedding.vectors, "embedding.init")
        words = f"a new embedding of {config.embedding.vectors} vectors from {config.embedding.init!r}"
    seed = config.run.seed if config.run.seed >= 0 else secrets.randbelow(2**31)
    folder = new_run_folder(log, config.embedding.name)
    state = RunState(
        *(0, 0, seed, vectors), run=_run_id(), began_as=digest_vectors(vectors), folder=str(folder.root), recipe=recipe
    )
    return Start(state, folder, words)


def _resumed(host: Host, state: RunState, log: Path, name: str) -> Start:
    model = host.model()
    Embedding(name, state.vectors, family=model.family).fit_to(model)
    root = Path(state.folder)
    folder = RunFolder(root, name) if root.is_dir() else new_run_folder(log, name)
    warnings = []
    if state.model_hash and model.short_hash and state.model_hash != model.short_hash:
        warnings.append(f"The run began on the model {state.model_hash}; this is {model.short_hash} ({model.name}).")
    return Start(replace(state, folder=str(folder.root)), folder, f"resumed after step {state.step}", tuple(warnings))


def _continued(config: TrainConfig, log: Path, existing: Embedding, path: Path) -> Start:
    seed = config.run.seed if config.run.seed >= 0 else secrets.randbelow(2**31)
    folder = new_run_folder(log, config.embedding.name)
    vectors = dict(existing.vectors)
    samples = existing.step * config.images_per_update
    words = f"continued from {existing.name} at step {existing.step}"
    moments: Moments = {}
    warning = f"There is no optimizer state for step {existing.step}: its momentum starts anew."
    optim = optim_path(path)
    if optim.is_file() and len(vectors) == 1:
        try:
            moments = load_optim(optim, next(iter(vectors.values())))
            words, warning = f"{words}, with the momentum of {optim.name}", ""
        except InvalidEmbedding as error:
            warning = f"{optim.name} is not used: {error.message} Its momentum starts anew."
    state = RunState(
        *(existing.step, samples, seed, vectors, moments),
        run=_run_id(),
        began_as=digest_vectors(vectors),
        folder=str(folder.root),
        recipe={key: value for key, value in existing.recipe.items() if key == "start"},
    )
    return Start(state, folder, words, (warning,) if warning else ())


def _newest_state(path: Path, log: Path, name: str, existing: Embedding | None) -> RunState | None:
    """The newest whole state of the newest run that led to, or began with, the embedding as it is in its file."""
    states = []
    for file in [path.with_name(path.name + SUFFIX), *find_states(log, name)]:
        try:
            states.append(load_state(file))
        except InvalidEmbedding:
            continue  # not there, or not ours: an older copy will do
    if existing:
        now = digest_vectors(existing.vectors)
        runs = {state.run for state in states if now in (digest_vectors(state.vectors), state.began_as)}
        states = [state for state in states if state.run in runs]
    return max(states, key=lambda state: (state.run, state.step), default=None)


def _run_id() -> str:
    return datetime.now(timezone.utc).strftime("%Y%m%dT%H%M%S%f")
