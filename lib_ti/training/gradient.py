"""The gradient of one update, as cheap as it can be: the split graph.

The prompts of the whole update are encoded once. The UNet then runs micro-batch by micro-batch, forward and backward, down to
the detached conditioning, where the gradients add up; one backward pass through the text encoder follows. So the number of
micro-batches changes memory and speed, not the result.

Float16 holds nothing below 6e-8, where the gradient of a mean over all latents of all pictures lies. So the UNet goes back from
nearly a picture's sum, the text encoder, which may be in float16 too, from a gradient brought to a maximum of 1, and both are
undone in float32. Where the UNet overflows, its part is taken again with a smaller scale.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch

from lib_ti.config.train import LossPart
from lib_ti.host import Conditioning, PictureSize, TrainingSession
from lib_ti.training.noise import add_noise, loss_weight, prediction_target


@dataclass(frozen=True)
class Sample:
    """One picture of an update. `latents`, `noise`: [C, h, w] float32; `mask`: [1, h, w] or None; `timestep`: 0 .. 999."""

    prompt: str
    size: PictureSize
    latents: torch.Tensor
    noise: torch.Tensor
    timestep: int
    mask: torch.Tensor | None = None


def accumulate_gradient(
    session: TrainingSession,
    vectors: Mapping[str, torch.Tensor],
    samples: Sequence[Sample],
    micro_batch: int,
    loss: LossPart,
) -> torch.Tensor:
    """Add the gradient of the samples' mean loss to `vectors` ([V, D] leaves by encoder); the mean unweighted loss, a scalar."""
    keys = list(dict.fromkeys((sample.prompt, sample.size) for sample in samples))  # equal prompts are encoded once
    conditioning = session.encode_prompts([prompt for prompt, _ in keys], vectors, [size for _, size in keys])
    row = {key: number for number, key in enumerate(keys)}
    for scale in loss_scales(session.dtype, samples):
        # Float32, also where the host's conditioning is not: here the micro-batches add up.
        leaves = {key: tensor.detach().float().requires_grad_() for key, tensor in conditioning.tensors.items()}
        total = torch.zeros((), device=session.device)
        for batch in group_by_shape(samples, micro_batch):
            rows = torch.tensor([row[sample.prompt, sample.size] for sample in batch], device=session.device)
            squared_error, weight = batch_error(
                session, batch, Conditioning({k: leaf[rows] for k, leaf in leaves.items()}), loss
            )
            (squared_error * weight).sum().mul(scale).backward()  # type: ignore[no-untyped-call]
            total += squared_error.detach().sum()
        gradients = {key: leaf.grad / (scale * len(samples)) for key, leaf in leaves.items() if leaf.grad is not None}
        if all(bool(gradient.isfinite().all()) for gradient in gradients.values()):
            break
    _through_text_encoder(conditioning, gradients, vectors)
    return total / len(samples)


def loss_scales(dtype: torch.dtype, samples: Sequence[Sample]) -> list[float]:
    """By what a picture's mean loss is multiplied on its way back through a UNet of `dtype`, in the order of trial."""
    if dtype != torch.float16:
        return [1.0]
    latents = max(sample.latents.numel() for sample in samples)
    return [latents / 4, latents / 1024]


def _through_text_encoder(
    conditioning: Conditioning, gradients: Mapping[str, torch.Tensor], vectors: Mapping[str, torch.Tensor]
) -> None:
    """Add to `vectors` what `gradients`, by the conditioning's keys, come to at them."""
    parts = [
        (conditioning.tensors[key], part) for key, part in gradients.items() if conditioning.tensors[key].requires_grad
    ]
    outputs = [output for output, _ in parts]
    peak = torch.stack([part.abs().max() for _, part in parts]).max()
    scale = peak.clamp(min=1e-30).log2().ceil().exp2()  # a power of two changes no digit
    found = torch.autograd.grad(
        outputs, list(vectors.values()), [(part / scale).to(output.dtype) for output, part in parts], allow_unused=True
    )
    for vector, gradient in zip(vectors.values(), found, strict=True):
        if gradient is not None:
            vector.grad = gradient * scale if vector.grad is None else vector.grad + gradient * scale


def batch_error(
    session: TrainingSession, batch: Sequence[Sample], conditioning: Conditioning, loss: LossPart
) -> tuple[torch.Tensor, torch.Tensor]:
    """(mean squared error [B], loss weight [B]) of samples of one shape."""
    device = session.device
    latents = torch.stack([sample.latents for sample in batch]).to(device)
    noise = torch.stack([sample.noise for sample in batch]).to(device)
    timesteps = torch.tensor([sample.timestep for sample in batch])
    alpha = session.alphas_cumprod[timesteps].to(device)
    model_pred = session.predict(add_noise(latents, noise, alpha), timesteps.to(device), conditioning)
    error = (model_pred.float() - prediction_target(latents, noise, alpha, session.prediction_type)).square()
    if any(sample.mask is not None for sample in batch):
        even = torch.ones_like(error[0, :1])
        error = error * torch.stack([even if sample.mask is None else sample.mask.to(device) for sample in batch])
    return error.mean((1, 2, 3)), loss_weight(alpha, session.prediction_type, loss)


def group_by_shape(samples: Sequence[Sample], micro_batch: int) -> list[list[Sample]]:
    """Micro-batches of at most `micro_batch` samples, each of one latent shape, in the samples' own order."""
    shapes: dict[torch.Size, list[Sample]] = {}
    for sample in samples:
        shapes.setdefault(sample.latents.shape, []).append(sample)
    return [group[i : i + micro_batch] for group in shapes.values() for i in range(0, len(group), micro_batch)]
