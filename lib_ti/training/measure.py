"""The loss on fixed samples: the same pictures, noise and timesteps each time, so that a run's progress can be read.

The losses of updates are mostly noise of the draw. A `Measurer` measures the run's vectors from time to time, keeps the best of
them, and knows when the run may end.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from math import ceil, isfinite

import torch

from lib_ti.chance import chance, shuffled
from lib_ti.config.train import MeasurePart, TrainConfig
from lib_ti.create import initial_vectors
from lib_ti.dataset.dataset import Dataset
from lib_ti.errors import TIError, TrainingFailed
from lib_ti.host import PictureSize, TextModel, TrainingSession, Vectors
from lib_ti.training.context import context_prompt, unlikeness
from lib_ti.training.latents import Views
from lib_ti.training.state import RunState
from lib_ti.training.update import Sample, draw_noise, losses_of
from lib_ti.training.verdict import Measurement, best_of, is_settled

SHARE = 0.05
"""Of the work of training, that measuring may take where its steps are not given."""
ENOUGH, EACH, MOST = 16, 8, 8
"""From so many pictures on, one of each so many is held out, at most so many."""
PLAIN = ("house", "dog", "star", "red", "shape")
CONTEXT = "in a red room with a wooden table beside the window"


def steps_between(part: MeasurePart, images_per_update: int) -> int:
    """Updates between measurements, 0 for none: by itself so many that it is at most `SHARE` of the work; a pass forward alone
    counts as half of one that learns."""
    if part.every > 0 or (part.every == 0 and (part.end or not part.best)):
        return part.every
    return ceil(part.samples / 2 / SHARE / images_per_update)


def held_out_count(part: MeasurePart, pictures: int) -> int:
    """How many of a data set's pictures are measured with and not trained on."""
    if not (part.every or part.end or part.best):
        return 0
    if part.held_out >= 0:
        return min(part.held_out, pictures - 1)
    return min(pictures // EACH, MOST) if pictures >= ENOUGH else 0


def hold_out(dataset: Dataset, count: int, seed: int) -> Dataset:
    """`dataset` with `count` pictures, drawn by the seed, that no sample has."""
    order = shuffled(list(range(len(dataset.pictures))), chance("held out", seed))
    return dataset.without(set(order[:count]))


class Measurer:
    """Measures the vectors of one run. `goes_on` tells that what has been measured so far is not to end it."""

    def __init__(
        self,
        config: TrainConfig,
        dataset: Dataset,
        cache: Sequence[Views],
        state: RunState,
        steps: int,
        goes_on: bool = False,
    ) -> None:
        part = config.measure
        self.every = steps_between(part, config.images_per_update)
        self.ends = config.schedule.ends(0, steps) if part.end else []
        self.on = bool(self.every or self.ends)
        self.measured: list[Measurement] = list(state.measured)
        self.best: Vectors = {name: one.best for name, one in state.learned(config.embedding.name).items() if one.best}
        self._score = replace(config.loss, weighting="debiased")
        self._before = len(self.measured) if goes_on else 0
        self._least, self._at_once = part.gain, config.optim.micro_batch or config.optim.batch_size
        self.samples = fixed_samples(dataset, cache, config, state.seed, part.samples) if self.on else []

    @property
    def settled(self) -> bool:
        """Whether the run may end here, by the rule of cycles."""
        return len(self.measured) > self._before and is_settled(self.measured, self.ends, self._least)

    def is_due(self, step: int) -> bool:
        at = step == 0 or step in self.ends or (self.every > 0 and step % self.every == 0)
        return at and self.is_missing(step)

    def is_missing(self, step: int) -> bool:
        """Whether the vectors after `step`, the newest, are yet to be measured."""
        return self.on and not (self.measured and self.measured[-1].step == step)

    def measure(self, session: TrainingSession, step: int, vectors: Vectors) -> Measurement:
        """Measure `vectors`, [V, D] by name and encoder, and keep a copy of them if they are the best so far.

        Raises TrainingFailed where the model answers with what is no number.
        """
        found = losses_of(session, vectors, self.samples, self._at_once, self._score)
        one = Measurement(step, float(found.loss), float(found.weighted))
        if not (isfinite(one.loss) and isfinite(one.score)):
            raise TrainingFailed(
                f"The loss on the fixed samples is {one.loss}.", "Train in full precision or bfloat16."
            )
        self.measured.append(one)
        if best_of(self.measured) is one:
            self.best = {
                name: {encoder: value.detach().to("cpu", copy=True) for encoder, value in one.items()}
                for name, one in vectors.items()
            }
        return one


def fixed_samples(dataset: Dataset, cache: Sequence[Views], config: TrainConfig, seed: int, count: int) -> list[Sample]:
    """`count` samples, one at the middle of each stratum of the timesteps, of the pictures in turn: those held out, or else all, evenly where
    there are more pictures than samples."""
    held = [n for n, picture in enumerate(dataset.pictures) if not picture.repeats]
    pictures = held or list(range(len(dataset.pictures)))
    sampling = "deterministic" if config.data.latent_sampling == "deterministic" else "once"
    loss = config.loss
    samples = []
    for number in range(count):
        index = pictures[number * max(count, len(pictures)) // count % len(pictures)]
        picture, view = dataset.pictures[index], cache[index][0][0]
        source = dataset.source_of(picture)
        prompt = source.prompt(
            source.template.lines[0], config.embedding.name, picture.caption, choose=lambda options: options[0]
        )
        latents = view.draw(sampling, seed, index, 0)
        noise = draw_noise(latents.shape, 0.0, "measure", seed, number)
        timestep = loss.timestep_min + int((number + 0.5) / count * (loss.timestep_max - loss.timestep_min + 1))
        samples.append(Sample(prompt, view.size, latents, noise, timestep, view.mask, config.embedding.negative_prompt))
    return samples


def kept_of_context(
    session: TrainingSession,
    host: TextModel,
    name: str,
    size: PictureSize,
    vectors: Vectors,
    init: str,
) -> float | None:
    """How much of what a prompt's other words say beside the text `init` they keep beside embedding `name` of `vectors`, as a share
    of what they keep beside the plain word that disturbs them most; each in as many rows. None where that cannot be told."""
    rows = len(next(iter(vectors[name].values())))

    def as_text(text: str) -> Vectors:
        words = initial_vectors(host, text, rows, "embedding.init")
        return {**vectors, name: {encoder: value.to(session.device) for encoder, value in words.items()}}

    def likeness(to: Vectors) -> float | None:
        return likeness_of_context(session, name, size, to, then)

    try:
        then = as_text(init)
    except TIError:
        return None
    plain = [likeness(as_text(word)) for word in PLAIN if word != init]
    now, least = likeness(vectors), min((one for one in plain if one is not None), default=0.0)
    return None if now is None or least <= 0 else now / least


@torch.no_grad()
def likeness_of_context(
    session: TrainingSession,
    name: str,
    size: PictureSize,
    now: Vectors,
    then: Vectors,
) -> float | None:
    """How much the words after embedding `name` say what they did beside other vectors: the mean cosine of the text encoder's
    outputs at their places, under vectors `now` and `then`, both [V, D] by name and encoder.

    After the context loss of CoRe (Wu et al. 2024). None where the conditioning has no place for each token.
    """
    rows = len(next(iter(now[name].values())))
    prompt = context_prompt(f"[name] {CONTEXT}", name, rows, str.split)
    told = [session.encode_prompts([prompt.text], vectors, [size]).tensors for vectors in (now, then)]
    found = unlikeness(told[0], told[1], [prompt])
    return None if found is None else 1 - float(found)
