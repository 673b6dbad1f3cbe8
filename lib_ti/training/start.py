"""Where a run starts, and where it keeps its files.

It starts from nothing, from a created embedding, or from the newest copy of an earlier run; its folder has A1111's layout,
`<log>/<date>/<name>/{embeddings,images,image_embeddings}`.
"""

from __future__ import annotations

import os
import re
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime, timezone
from pathlib import Path
from typing import Any

from lib_ti.atomic import make_folder
from lib_ti.config.lines import EMBEDDINGS
from lib_ti.config.options import config_values, walk_options
from lib_ti.config.train import FORMATS, TrainConfig
from lib_ti.config.trained import EmbeddingPart
from lib_ti.create import initial_vectors
from lib_ti.embedding.digest import digest_token_tables, digest_vectors
from lib_ti.embedding.embedding import Embedding
from lib_ti.embedding.fit import is_of_model
from lib_ti.errors import EmbeddingExists, HostError, InvalidEmbedding, TIError, collected, raise_together
from lib_ti.formats.files import load_embedding
from lib_ti.host import Host
from lib_ti.training.noise import stretched
from lib_ti.training.state import SUFFIX, Learned, Moments, RunState, load_optim, load_state, optim_path, state_path


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
    def measurements(self) -> Path:
        return self.root / "measurements.csv"

    @property
    def settings(self) -> Path:
        return self.root / "settings.json"

    @property
    def plot(self) -> Path:
        return self.root / "loss.png"

    @property
    def tensorboard(self) -> Path:
        return self.root / "tensorboard"

    def of(self, name: str) -> RunFolder:
        """Where the same run keeps what belongs to another of its embeddings."""
        return replace(self, name=name)

    def make(self) -> None:
        """Raises HostError where it cannot be made."""
        try:
            for name in ("embeddings", "images", "image_embeddings"):
                make_folder(self.root / name)
        except OSError as error:
            raise HostError(
                f"The log folder cannot be made: {error.strerror}.", "Choose another one.", str(self.root)
            ) from error


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
    copy = re.compile(re.escape(name) + r"-[0-9]+" + re.escape(SUFFIX))
    return [
        state
        for run in sorted(log.glob("*/*"))
        if _is_run_folder(run, name)
        for state in (run / "embeddings").glob(f"*{SUFFIX}")
        if copy.fullmatch(state.name)
    ]


def _is_run_folder(folder: Path, name: str) -> bool:
    """By its place, DATE/NAME or DATE/NAME-2."""
    dated = re.fullmatch(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", folder.parent.name)
    return bool(dated and re.fullmatch(re.escape(name) + r"(-[0-9]+)?", folder.name))


@dataclass(frozen=True)
class Start:
    """`words` says for people where the run starts, and `further` where each further embedding does, by name; `warnings` what they
    may not expect; `saved` tells that the embedding's own file holds these vectors."""

    state: RunState
    folder: RunFolder
    words: str
    warnings: tuple[str, ...] = ()
    saved: bool = False
    further: Mapping[str, str] = field(default_factory=dict)

    @property
    def rows(self) -> dict[str, int]:
        """V of the vectors [V, D] of each embedding, by name."""
        learned = self.state.learned(self.folder.name)
        return {name: len(next(iter(one.vectors.values()))) for name, one in learned.items()}


def embedding_path(host: Host, config: TrainConfig, name: str = "") -> Path:
    """The file of `name`, or of the first embedding, in whichever form it exists, for two of one name hide each other; else one of
    the chosen form."""
    folder = Path(config.save.folder) if config.save.folder else host.embeddings_folder()
    paths = [folder / f"{name or config.embedding.name}.{form}" for form in (config.save.format, *FORMATS)]
    return next((path for path in paths if path.is_file()), paths[0])


def embedding_paths(host: Host, config: TrainConfig) -> dict[str, Path]:
    """Of every embedding of the run, by name."""
    return {one.name: embedding_path(host, config, one.name) for one in config.embedding.embeddings()}


def log_path(host: Host, config: TrainConfig) -> Path:
    return Path(config.save.log_folder) if config.save.log_folder else host.log_folder()


def find_start(host: Host, config: TrainConfig) -> Start:
    """Raises EmbeddingExists where a trained embedding would be lost, InvalidEmbedding where one does not fit the model; all such
    together where there are several."""
    states: list[RunState] = []
    unread: list[str] = []
    if config.embedding.resume:
        states, unread = _load_states(embedding_path(host, config), log_path(host, config), config.embedding.name)
    errors: list[TIError] = []
    start, others = None, {}
    with collected(errors):
        start = _find_first(host, config, states, unread)
    of_run = [state for state in states if start and state.run == start.state.run]
    for one in config.embedding.embeddings()[1:]:
        with collected(errors):
            others[one.name] = _find_other(host, config, one, of_run)
    raise_together(errors)
    assert start
    saved = start.saved and all(other.saved for other in others.values())
    words = {name: other.words for name, other in others.items()}
    return replace(_beside(start, {name: other.learned for name, other in others.items()}), further=words, saved=saved)


def _beside(start: Start, others: Mapping[str, Learned]) -> Start:
    """With `others` learning beside the first. What was measured with other embeddings is not to be compared, so it goes."""
    state, warnings = start.state, start.warnings
    if others.keys() != state.others.keys():
        state = replace(state, measured=(), best={})
        others = {name: replace(learned, best={}) for name, learned in others.items()}
        if left := start.state.others.keys() - others.keys():
            warnings = (*warnings, f"The run trained {' and '.join(sorted(left))} too: it goes on without.")
    return replace(start, state=replace(state, others=others), warnings=warnings)


def _existing(host: Host, config: TrainConfig, path: Path) -> Embedding | None:
    """Overwriting means that the file as it is does not matter, not even for which run is resumed."""
    counts = path.exists() and not config.embedding.overwrite
    return load_embedding(path).fit_to(host.model()) if counts else None


@dataclass(frozen=True)
class _Other:
    """What a further embedding begins with, and that `words`; `saved` as in `Start`, also where there is nothing to save yet."""

    learned: Learned
    words: str
    saved: bool = True


def _find_other(host: Host, config: TrainConfig, part: EmbeddingPart, of_run: Sequence[RunState]) -> _Other:
    """`of_run` are the states of the run that is resumed."""
    path = embedding_path(host, config, part.name)
    existing = _existing(host, config, path)
    now = digest_vectors(existing.vectors) if existing else ""
    states = [state for state in of_run if part.name in state.others]
    if states:
        known = {digest for state in states for digest in _digests(state.others[part.name])}
        newest = max(states, key=lambda state: state.step).others[part.name]
        if existing and existing.step and now not in (*known, newest.began_as):
            raise EmbeddingExists(
                f"{path.name} does not hold what this run has learned.",
                "Overwrite to go on as the run was, or choose another name.",
                str(path),
            )
        return _Other(newest, "resumed with the run", saved=now in _digests(newest))
    if existing and existing.step and not config.embedding.resume:
        raise _exists(path, existing)
    if existing:
        words = f"from {path.name} as it is ({existing.rows} vectors, step {existing.step or 0})"
        return _Other(Learned(existing.vectors, began_as=now, recipe=_origin(existing, path)), words)
    vectors = initial_vectors(host, part.init, part.vectors, EMBEDDINGS.where)
    return _Other(Learned(vectors, began_as=digest_vectors(vectors)), f"{part.vectors} vectors from {part.init!r}")


def _exists(path: Path, existing: Embedding) -> EmbeddingExists:
    return EmbeddingExists(
        f"{path.name} exists and is trained for {existing.step} steps.",
        "Resume to go on from there, overwrite to start anew, or choose another name.",
        str(path),
    )


def _origin(existing: Embedding, path: Path) -> dict[str, Any]:
    """What the recipe of an embedding that begins with `existing` is to say of that."""
    if existing.step:
        return {key: value for key, value in existing.recipe.items() if key == "start"}
    return {"start": existing.recipe or {"source": "embedding", "file": path.name}}


def _find_first(host: Host, config: TrainConfig, states: Sequence[RunState], unread: Sequence[str]) -> Start:
    path, log = embedding_path(host, config), log_path(host, config)
    existing = _existing(host, config, path)
    if config.embedding.resume:
        newest = _newest_state(states, existing)
        if newest:
            start = _resumed(host, config, newest, log, existing)
        elif existing and existing.step:
            start = _continued(host, config, log, existing, path)
        else:
            start = _fresh(host, config, log, existing)
        return replace(start, warnings=(*unread, *start.warnings))
    if existing and existing.step:
        raise _exists(path, existing)
    return _fresh(host, config, log, existing)


def _fresh(host: Host, config: TrainConfig, log: Path, created: Embedding | None) -> Start:
    recipe: Mapping[str, Any] = {}
    if created:
        recipe = _origin(created, embedding_path(host, config))
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


def _resumed(host: Host, config: TrainConfig, state: RunState, log: Path, existing: Embedding | None) -> Start:
    name, model = config.embedding.name, host.model()
    Embedding(name, state.vectors, family=model.family).fit_to(model)
    # By its place in this log folder, not by the path in the file: that may be of another machine, or a stranger's wish.
    told = Path(state.folder)
    root = log / told.parent.name / told.name
    inside = _is_run_folder(root, name) and root.is_dir() and root.resolve().is_relative_to(log.resolve())
    folder = RunFolder(root, name) if inside else new_run_folder(log, name)
    made_on = _other_model_warnings(host, state.model_hash, state.model_name, state.token_tables)
    saved = existing is not None and digest_vectors(existing.vectors) in _digests(state)
    return Start(
        replace(state, folder=str(folder.root)),
        folder,
        f"resumed after step {state.step}",
        (*made_on, *_other_settings_warnings(state, stretched(config, state.stretch))),
        saved,
    )


def _other_model_warnings(host: Host, hash_: str, name: str, tables: Mapping[str, str]) -> list[str]:
    """Where vectors made on the model of that hash, name and token tables go on learning on another one."""
    model = host.model()
    was, now = f"{name} {hash_}".strip(), f"{model.name} {model.short_hash}".strip()
    hint = "They are vectors for that one, and go on learning on this one. If that is not meant, choose the first model again."
    if is_of_model(hash_, name, model) is False:
        return [f"The vectors were trained on the model {was}; this is {now}. {hint}"]
    # A host may know no hash, and a file may have been replaced by another of its name.
    if tables and tables != digest_token_tables(host):
        return [f"The vectors were trained on a model with another vocabulary than {now} has. {hint}"]
    return []


def _other_settings_warnings(state: RunState, config: TrainConfig) -> list[str]:
    """Settings by which a resumed run learns otherwise than it did."""
    given, changed = config_values(config), []
    for path, _, _, about in walk_options(TrainConfig):
        part, setting = path.split(".")
        counts = (part in ("data", "optim", "loss") and path not in _HARMLESS) or setting in ("clip_skip", "networks")
        if counts and path in state.settings and state.settings[path] != given[path]:
            changed.append(f"{about.label} was {state.settings[path]!r} and is {given[path]!r}")
    warnings = [f"The run goes on with other settings: {'; '.join(changed)}."] if changed else []
    if state.optimizer != config.optim.name and state.moments:
        warnings.append(f"The momentum is {state.optimizer}'s, and {config.optim.name} starts its own anew.")
    if config.run.seed not in (-1, state.seed):
        warnings.append(f"The training seed {config.run.seed} is not used: the run goes on with its own, {state.seed}.")
    return warnings


_HARMLESS = ("data.folder", "optim.steps", "optim.epochs", "optim.micro_batch")
"""What may change between two halves of a run: the fingerprint tells whether the pictures are others."""


def _continued(host: Host, config: TrainConfig, log: Path, existing: Embedding, path: Path) -> Start:
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
            moments = {next(iter(vectors)): load_optim(optim, next(iter(vectors.values())))}
            words, warning = f"{words}, with the momentum of {optim.name}", ""
        except InvalidEmbedding as error:
            warning = f"{optim.name} is not used: {error.message} Its momentum starts anew."
    state = RunState(
        *(existing.step, samples, seed, vectors, moments),
        run=_run_id(),
        began_as=digest_vectors(vectors),
        folder=str(folder.root),
        recipe=_origin(existing, path),
    )
    made_on = _other_model_warnings(host, existing.model_hash, existing.model_name, existing.token_tables)
    return Start(state, folder, words, (*made_on, *([warning] if warning else [])), saved=True)


def _load_states(path: Path, log: Path, name: str) -> tuple[list[RunState], list[str]]:
    """Of every run of `name`; and a sentence for each that cannot be read, in whose place an older copy will do."""
    states, unread = [], []
    for file in [state_path(path), *find_states(log, name)]:
        try:
            states.append(load_state(file))
        except InvalidEmbedding as error:
            if os.path.lexists(file):
                unread.append(f"{file.name} is not used. {error.message}")
    return states, unread


def _newest_state(states: Sequence[RunState], existing: Embedding | None) -> RunState | None:
    """The newest state of the newest run that led to, or began with, the embedding as it is in its file."""
    if existing:
        now = digest_vectors(existing.vectors)
        runs = {state.run for state in states if now in (*_digests(state), state.began_as)}
        states = [state for state in states if state.run in runs]
    return max(states, key=lambda state: (state.run, state.step), default=None)


def _digests(learned: Learned | RunState) -> list[str]:
    """Of its vectors, and of the best ones before them: either may be what the embedding's own file holds."""
    return [digest_vectors(vectors) for vectors in (learned.vectors, learned.best) if vectors]


def _run_id() -> str:
    return datetime.now(timezone.utc).strftime("%Y%m%dT%H%M%S%f")
