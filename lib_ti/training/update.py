"""One update of the vectors, on one page: `take_update`, then what it calls, in order.

    draw      noise and timesteps, each a function of (seed, sample) alone
    encode    the prompts of all samples, without a graph                     -> conditioning
    predict   micro-batch by micro-batch, forward and back, down to that conditioning: there the gradients add up
    go back   the prompts encoded once more, with a graph, and through it from the summed gradient -> the vectors' gradient
    context   where it is on, the gradient of context regularisation is added (`context.py`)
    step      clip, the optimizer's step (`optimizer.py`), the cap on the rows' length; for each embedding of the run by itself

The graph is split at the conditioning because the text encoder's part of it is the same for every micro-batch: the number of
micro-batches changes memory and speed, not the result. No graph of the text encoder is there while the UNet computes: its
memory is free for the UNet, and hosts move weights in between, as A1111 does with --medvram.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

import torch

from lib_ti.chance import generator
from lib_ti.config.train import LossPart, OptimizerPart
from lib_ti.errors import TrainingFailed
from lib_ti.host import Conditioning, PictureSize, PredictionType, TrainingSession, Vectors
from lib_ti.training.context import Context, unlikeness
from lib_ti.training.optimizer import OPTIMIZERS, cap_rows, rate_of_numbers, step_state
from lib_ti.training.state import Learned, Moments, RunState


@dataclass(frozen=True)
class Sample:
    """One picture of an update. `latents`, `noise`: [C, h, w] float32; `mask`: [1, h, w] or None; `timestep`: 0 .. 999; `negative`:
    the negative prompt of a pair, else None; `prior`: that it is one of the class, which counts by the prior weight, and not among
    the update's pictures."""

    prompt: str
    size: PictureSize
    latents: torch.Tensor
    noise: torch.Tensor
    timestep: int
    mask: torch.Tensor | None = None
    negative: str | None = None
    prior: bool = False

    @property
    def prompts(self) -> tuple[str, ...]:
        return (self.prompt,) if self.negative is None else (self.prompt, self.negative)


def take_update(
    session: TrainingSession,
    trainee: Trainee,
    samples: Sequence[Sample],
    optim: OptimizerPart,
    loss: LossPart,
    rate: float,
    relative: bool,
    clip_limit: float,
    context: Context | None = None,
) -> float:
    """Move the vectors by one step at the schedule's `rate`; the mean unweighted loss before it, of class pictures without.

    Raises TrainingFailed, with the vectors as they were, where loss, gradient or the step's result is not finite.
    """
    trainee.zero_gradient()
    micro_batch = optim.micro_batch or optim.batch_size
    mean = accumulate_gradient(session, trainee.vectors, samples, micro_batch, loss).item()
    if context:
        add_context_gradient(session, trainee.vectors, context, trainee.step, samples[0].size)
    trainee.check_finite(mean)
    trainee.step_by(rate, relative, clip_limit, own_count(samples))
    return mean


# The gradient


def accumulate_gradient(
    session: TrainingSession,
    vectors: Vectors,
    samples: Sequence[Sample],
    micro_batch: int,
    loss: LossPart,
) -> torch.Tensor:
    """Add the gradient of the samples' mean loss to `vectors` ([V, D] leaves by name and encoder), where they stand in the samples'
    prompts; the mean unweighted loss, a scalar.

    Of class pictures the sum by the prior weight is added before it is divided, by the number of all others: prior preservation
    (Ruiz et al. 2022, eq. 2), where a picture of the class goes with each. In the loss that is returned they do not count.
    """
    row = prompt_rows(samples)
    prompts, sizes = [prompt for prompt, _ in row], [size for _, size in row]
    with torch.no_grad():
        conditioning = session.encode_prompts(prompts, vectors, sizes)
    count = own_count(samples)

    # Only float16 needs a second trial: where the UNet overflows on the way back, its part is taken again, scaled lower.
    for scale in loss_scales(session.dtype, samples):
        # Each backward ends here and frees its activations. Float32, also where the host's conditioning is not: here the
        # micro-batches add up, and small ones would be lost beside large ones.
        leaves = {key: tensor.detach().float().requires_grad_() for key, tensor in conditioning.tensors.items()}
        total = torch.zeros((), device=session.device)
        for batch in group_by_shape(samples, micro_batch):
            read = conditioning_of(batch, leaves, row)
            squared_error, weight = batch_error(session, batch, read, loss)
            # A sum, not a mean: the last micro-batch may be smaller, and each picture is to count the same.
            (squared_error * weight).sum().mul(scale).backward()  # type: ignore[no-untyped-call]
            own = torch.tensor([not sample.prior for sample in batch], device=session.device)
            total += squared_error.detach()[own].sum()
        gradients = {key: leaf.grad / (scale * count) for key, leaf in leaves.items() if leaf.grad is not None}
        if all(bool(gradient.isfinite().all()) for gradient in gradients.values()):
            break
    _through_text_encoder(session.encode_prompts(prompts, vectors, sizes), gradients, vectors)
    return total / count


def own_count(samples: Sequence[Sample]) -> int:
    """Of the pictures to be learned, without those of the class."""
    return sum(not sample.prior for sample in samples)


def add_context_gradient(
    session: TrainingSession, vectors: Vectors, context: Context, step: int, size: PictureSize
) -> None:
    """Add to `vectors` the weighted gradient of `unlikeness` for the prompts of the update after `step` updates."""
    prompts = context.draw(step)
    texts, sizes = [prompt.text for prompt in prompts], [size] * len(prompts)
    with torch.no_grad():
        # On the vectors' own device, wherever the plain words' came from.
        own = vectors[context.name]
        plain = {encoder: value.to(own[encoder].device) for encoder, value in context.then.items()}
        then = session.encode_prompts(texts, {**vectors, context.name: plain}, sizes).tensors
    conditioning = session.encode_prompts(texts, vectors, sizes)
    leaves = {key: tensor.detach().float().requires_grad_() for key, tensor in conditioning.tensors.items()}
    loss = unlikeness(leaves, then, prompts)
    if loss is not None:
        (loss * context.weight).backward()  # type: ignore[no-untyped-call]
        found = {key: leaf.grad for key, leaf in leaves.items() if leaf.grad is not None}
        _through_text_encoder(conditioning, found, vectors)


@dataclass(frozen=True)
class Losses:
    """Means over samples, scalars: of the squared error, and of the same weighted."""

    loss: torch.Tensor
    weighted: torch.Tensor


@torch.no_grad()
def losses_of(
    session: TrainingSession,
    vectors: Vectors,
    samples: Sequence[Sample],
    micro_batch: int,
    loss: LossPart,
) -> Losses:
    """Of the model's predictions with `vectors` [V, D] by name and encoder; no gradient is taken."""
    row = prompt_rows(samples)
    conditioning = session.encode_prompts([prompt for prompt, _ in row], vectors, [size for _, size in row])
    total = weighted = torch.zeros((), device=session.device)
    for batch in group_by_shape(samples, micro_batch):
        read = conditioning_of(batch, conditioning.tensors, row)
        squared_error, weight = batch_error(session, batch, read, loss)
        total, weighted = total + squared_error.sum(), weighted + (squared_error * weight).sum()
    return Losses(total / len(samples), weighted / len(samples))


Row = Mapping[tuple[str, PictureSize], int]
"""Which row of the conditioning a prompt is, at a size."""


def prompt_rows(samples: Sequence[Sample]) -> Row:
    """Equal prompts at equal sizes are encoded once: with one template line and no captions, that is one row for any batch."""
    keys = dict.fromkeys((prompt, sample.size) for sample in samples for prompt in sample.prompts)
    return {key: number for number, key in enumerate(keys)}


def conditioning_of(batch: Sequence[Sample], tensors: Mapping[str, torch.Tensor], row: Row) -> Conditioning:
    """Of each sample's prompt; of pairs, then of each negative prompt."""
    keys = [
        (prompt, sample.size)
        for prompts in zip(*(s.prompts for s in batch), strict=True)
        for prompt, sample in zip(prompts, batch, strict=True)
    ]
    device = next(iter(tensors.values())).device
    rows = torch.tensor([row[key] for key in keys], device=device)
    return Conditioning({key: tensor[rows] for key, tensor in tensors.items()})


def loss_scales(dtype: torch.dtype, samples: Sequence[Sample]) -> list[float]:
    """By what a picture's mean loss is multiplied on its way back through a UNet of `dtype`, in the order of trial.

    Float16 holds nothing below 6e-8, where the gradient of a mean over all latents of a picture lies. So the UNet goes back
    from nearly the picture's sum, which is undone in float32.
    """
    if dtype != torch.float16:
        return [1.0]
    latents = max(sample.latents.numel() for sample in samples)
    return [latents / 4, latents / 1024]


def group_by_shape(samples: Sequence[Sample], micro_batch: int) -> list[list[Sample]]:
    """Micro-batches of at most `micro_batch` samples, each of one latent shape, in the samples' own order."""
    shapes: dict[torch.Size, list[Sample]] = {}
    for sample in samples:
        shapes.setdefault(sample.latents.shape, []).append(sample)
    return [group[i : i + micro_batch] for group in shapes.values() for i in range(0, len(group), micro_batch)]


def batch_error(
    session: TrainingSession, batch: Sequence[Sample], conditioning: Conditioning, loss: LossPart
) -> tuple[torch.Tensor, torch.Tensor]:
    """(mean squared error [B], loss weight [B]) of samples of one shape."""
    device = session.device
    latents = torch.stack([sample.latents for sample in batch]).to(device)
    noise = torch.stack([sample.noise for sample in batch]).to(device)
    timesteps = torch.tensor([sample.timestep for sample in batch])
    alpha = session.alphas_cumprod[timesteps].to(device)
    noisy, timesteps = add_noise(latents, noise, alpha), timesteps.to(device)
    if batch[0].negative is None:
        model_pred = session.predict(noisy, timesteps, conditioning)
    else:  # as in the making of a picture (Ho & Salimans 2022), and in DreamArtist (Dong et al. 2022, eq. 4)
        both = session.predict(noisy.repeat(2, 1, 1, 1), timesteps.repeat(2), conditioning)
        positive, negative = both.chunk(2)
        model_pred = negative + loss.guidance * (positive - negative)
    # In float32, whatever the UNet computes in: the square of a small error is nothing in float16.
    kind = session.prediction_type if loss.prediction == "auto" else cast(PredictionType, loss.prediction)
    error = (model_pred.float() - prediction_target(latents, noise, alpha, kind)).square()
    if any(sample.mask is not None for sample in batch):
        even = torch.ones_like(error[0, :1])
        error = error * torch.stack([even if sample.mask is None else sample.mask.to(device) for sample in batch])
    weight = loss_weight(alpha, kind, loss)
    if any(sample.prior for sample in batch):
        weight = weight * torch.tensor([loss.prior_weight if sample.prior else 1.0 for sample in batch], device=device)
    return error.mean((1, 2, 3)), weight


def _through_text_encoder(conditioning: Conditioning, gradients: Mapping[str, torch.Tensor], vectors: Vectors) -> None:
    """Add to `vectors` what `gradients`, by the conditioning's keys, come to at them."""
    parts = [
        (conditioning.tensors[key], part) for key, part in gradients.items() if conditioning.tensors[key].requires_grad
    ]
    outputs = [output for output, _ in parts]
    # The encoder may be in float16 too: it goes back from a gradient with a maximum of 1. A power of two changes no digit.
    peak = torch.stack([part.abs().max() for _, part in parts]).max()
    scale = peak.clamp(min=1e-30).log2().ceil().exp2()
    # `grad`, not `backward`: nothing but the vectors gets a gradient, whatever else in the host's model asks for one.
    learning = [vector for one in vectors.values() for vector in one.values() if vector.requires_grad]
    found = torch.autograd.grad(
        outputs, learning, [(part / scale).to(output.dtype) for output, part in parts], allow_unused=True
    )
    for vector, gradient in zip(learning, found, strict=True):
        if gradient is not None:
            vector.grad = gradient * scale if vector.grad is None else vector.grad + gradient * scale


# The noise and the loss


def draw_noise(shape: torch.Size, offset: float, *counters: int | str) -> torch.Tensor:
    """Gaussian noise [C, h, w] float32 on the CPU. `offset` adds noise that is equal over each whole channel."""
    chance = generator("noise", *counters)
    noise = torch.randn(shape, generator=chance)
    if offset:
        noise += offset * torch.randn(shape[0], 1, 1, generator=chance)
    return noise


def draw_timesteps(count: int, first: int, seed: int, steps: int, stratified: bool, least: int = 0) -> list[int]:
    """Timesteps `least` .. `least + steps - 1` of samples `first` .. `first + count - 1`.

    Uniform; stratified cuts the range into `count` equal strata and gives each sample of the update one of its own.
    """
    draws = [
        torch.rand((), generator=generator("timestep", seed, n), dtype=torch.float64).item()
        for n in range(first, first + count)
    ]
    if stratified:
        strata = torch.randperm(count, generator=generator("strata", seed, first)).tolist()
        draws = [(stratum + draw) / count for stratum, draw in zip(strata, draws, strict=True)]
    return [least + min(int(draw * steps), steps - 1) for draw in draws]


def add_noise(latents: torch.Tensor, noise: torch.Tensor, alpha: torch.Tensor) -> torch.Tensor:
    """x_t = sqrt(a) x_0 + sqrt(1 - a) n (Ho et al. 2020, eq. 4). `latents`, `noise`: [B, C, h, w]; `alpha`: [B], alphas_cumprod at t."""
    a = alpha.view(-1, 1, 1, 1)
    return a.sqrt() * latents + (1 - a).sqrt() * noise


def prediction_target(
    latents: torch.Tensor, noise: torch.Tensor, alpha: torch.Tensor, prediction_type: PredictionType
) -> torch.Tensor:
    """What the UNet should answer, [B, C, h, w]: the noise, or v = sqrt(a) n - sqrt(1 - a) x_0 (Salimans & Ho 2022, eq. 11)."""
    if prediction_type == "epsilon":
        return noise
    a = alpha.view(-1, 1, 1, 1)
    return a.sqrt() * noise - (1 - a).sqrt() * latents


def loss_weight(alpha: torch.Tensor, prediction_type: PredictionType, loss: LossPart) -> torch.Tensor:
    """How much each sample of the batch counts, [B], by its signal-to-noise ratio a / (1 - a).

    balanced: sqrt(1 / SNR) within 0.3 .. 6. min_snr: Hang et al. 2023, eq. 10 (divided by SNR for noise, SNR + 1 for v).
    debiased: 1 / sqrt(SNR) (Yu et al. 2023), for v 1 / (SNR + 1).
    """
    if loss.weighting == "none":
        return torch.ones_like(alpha)
    snr = (alpha / (1 - alpha)).clamp(1e-4, 1e4)
    if loss.weighting == "balanced":
        return snr.rsqrt().clamp(0.3, 6.0)
    divisor = snr if prediction_type == "epsilon" else snr + 1
    if loss.weighting == "min_snr":
        return snr.clamp(max=loss.snr_gamma) / divisor
    return snr.clamp(max=1000).rsqrt() if prediction_type == "epsilon" else 1 / divisor


# What learns


class Trainee:
    """What a run changes: its embeddings, each with vectors and optimizers of its own. `step` counts updates over all runs.

    `name` is that of the first embedding, whose vectors are the state's own; `words`: the length of words by encoder, to which
    relative rates and the cap refer.
    """

    def __init__(
        self, state: RunState, optim: OptimizerPart, device: torch.device, words: Mapping[str, float], name: str
    ) -> None:
        self.step = state.step
        self.samples = state.samples
        self.words = words
        goes_on = state.optimizer == optim.name
        self.embeddings = {
            name: Learner(learned, optim, device, words, goes_on) for name, learned in state.learned(name).items()
        }

    @property
    def vectors(self) -> dict[str, dict[str, torch.Tensor]]:
        """[V, D] leaves by name and encoder; those that learn ask for a gradient."""
        return {name: learner.vectors for name, learner in self.embeddings.items()}

    def zero_gradient(self) -> None:
        for _, vector in self._each():
            vector.grad = None

    def step_by(self, rate: float, relative: bool, clip_limit: float, images: int) -> None:
        """Clip the (unscaled) gradient, take one step, and cap the rows' length; `images` went into it. `rate` is the schedule's.
        An embedding that no prompt of the update held stays as it is.

        Raises TrainingFailed, with vectors and optimizers as they were, where one of their numbers would not be finite.
        """
        before = {name: learner.copy() for name, learner in self.embeddings.items()}
        for learner in self.embeddings.values():
            learner.step_by(rate, relative, clip_limit)
        if not all(learner.is_finite() for learner in self.embeddings.values()):
            for name, learner in self.embeddings.items():
                learner.put_back(before[name])
            raise TrainingFailed(
                f"The update {self.step + 1} would have made vectors that are no numbers (learning rate {rate:g}): it was undone.",
                "The vectors before it are saved. Try a far lower learning rate, and an AdamW epsilon of 1e-8.",
            )
        self.step += 1
        self.samples += images

    def check_finite(self, loss: float) -> None:
        """Raise TrainingFailed, before anything has changed, when the update would spoil the vectors."""
        spoiled = [name for name, vector in self._each() if not bool(torch.isfinite(_gradient(vector)).all())]
        if loss != loss or abs(loss) == float("inf"):
            raise TrainingFailed(
                f"The loss became {loss} at update {self.step + 1}.",
                "The vectors before it are saved. The usual causes: a learning rate that is too high, or a model that overflows "
                "in half precision (SD2.1 does): try a tenth of the rate, or run in full precision.",
            )
        if spoiled:
            raise TrainingFailed(
                f"The gradient of {' and '.join(spoiled)} is not finite at update {self.step + 1} (the loss is {loss:.4g}).",
                "The vectors before it are saved. Half precision overflowed: run in full precision or bfloat16.",
            )

    def norms(self) -> dict[str, float]:
        """Mean L2 length of the rows, by encoder; of several embeddings, by name and encoder ("my-cat clip_l")."""
        return {what: float(vector.detach().norm(dim=1).mean()) for what, vector in self._each()}

    def words_of(self, what: str) -> float:
        """The length of words beside one of `norms`."""
        return self.words[what.split()[-1]]

    def _each(self) -> list[tuple[str, torch.Tensor]]:
        several = len(self.embeddings) > 1
        return [
            (f"{name} {encoder}" if several else encoder, vector)
            for name, learner in self.embeddings.items()
            for encoder, vector in learner.vectors.items()
        ]


class Learner:
    """One embedding in training: the vectors, and the optimizers that move them, one for each encoder that learns.

    `vectors`: leaf tensors [V, D] float32 by encoder. `goes_on` tells that the moments are those of this optimizer.
    """

    def __init__(
        self,
        learned: Learned,
        optim: OptimizerPart,
        device: torch.device,
        words: Mapping[str, float],
        goes_on: bool = True,
    ) -> None:
        self.optim, self.words = optim, words
        self.vectors = {
            name: value.to(device).clone().requires_grad_(optim.encoders in ("all", name))
            for name, value in learned.vectors.items()
        }
        self._start_optimizers(learned.moments if goes_on else {})

    def _start_optimizers(self, moments: Moments) -> None:
        build = OPTIMIZERS[self.optim.name].build
        self._optimizers = {
            name: build(vector, self.optim, moments.get(name, {}))
            for name, vector in self.vectors.items()
            if vector.requires_grad
        }

    def step_by(self, rate: float, relative: bool, clip_limit: float) -> None:
        """Clip the gradient, take a step at the schedule's `rate`, and cap the rows' length."""
        for name, optimizer in self._optimizers.items():
            vector, words = self.vectors[name], self.words[name]
            if vector.grad is None:
                continue
            if self.optim.clip == "value":
                torch.nn.utils.clip_grad_value_([vector], clip_limit)
            elif self.optim.clip == "norm":
                torch.nn.utils.clip_grad_norm_([vector], clip_limit)
            step = rate_of_numbers(rate, relative, words, vector.shape[1])
            optimizer.step(min(step, 1e30))  # nothing comes of more either, but torch raises an error of its own
            if self.optim.length == "cap":
                cap_rows(vector, self.optim.cap * words)

    def is_finite(self) -> bool:
        moments = [tensor for one in self.moments().values() for tensor in one.values()]
        lengths = [
            vector.detach().norm(dim=1) for vector in self.vectors.values()
        ]  # a row may be too long for numbers too
        return all(bool(tensor.isfinite().all()) for tensor in (*lengths, *moments))

    def copy(self) -> Learned:
        """Of vectors and moments, where they are."""
        vectors = {name: vector.detach().clone() for name, vector in self.vectors.items()}
        moments = {name: {key: value.clone() for key, value in one.items()} for name, one in self.moments().items()}
        return Learned(vectors, moments)

    @torch.no_grad()
    def put_back(self, copy: Learned) -> None:
        for name, vector in self.vectors.items():
            vector.copy_(copy.vectors[name])
        self._start_optimizers({name: one for name, one in copy.moments.items() if one})

    def moments(self) -> Moments:
        """The state of each encoder's optimizer: the tensors themselves."""
        return {name: optimizer.state() for name, optimizer in self._optimizers.items()}

    def a1111_optimizer_state(self) -> Mapping[str, Any]:
        """AdamW's own, of the only encoder."""
        return step_state(next(iter(self._optimizers.values())))

    def plain_vectors(self) -> dict[str, torch.Tensor]:
        """Copies without gradient, [V, D] float32 on the CPU, for files."""
        return {name: vector.detach().to("cpu", copy=True) for name, vector in self.vectors.items()}


def _gradient(vector: torch.Tensor) -> torch.Tensor:
    return vector.grad if vector.grad is not None else torch.zeros_like(vector)
