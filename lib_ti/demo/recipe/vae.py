"""The demo's image encoder and its training; and what both of the demo's training loops share."""

import random
from collections.abc import Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from lib_ti.demo.recipe.captions import draw_thing
from lib_ti.demo.world import draw_many


def learning_rate(peak: float, step: int, steps: int, warm_up: int, flat: float) -> float:
    """Linear warm-up, then `peak` for the fraction `flat` of all steps, then linear down to a hundredth."""
    done = step / steps
    return peak * min(1.0, (step + 1) / warm_up) * min(1.0, max(0.01, (1 - done) / (1 - flat)))


class Averaged:
    """An exponential moving average of parameters, short-sighted at first so that it forgets the start."""

    def __init__(self, parameters: Sequence[Tensor], decay: float) -> None:
        self.parameters = parameters
        self.decay = decay
        self.updates = 0
        self.average = [p.detach().clone() for p in parameters]

    @torch.no_grad()
    def update(self) -> None:
        self.updates += 1
        decay = min(self.decay, self.updates / (self.updates + 9))
        torch._foreach_lerp_(self.average, [p.detach() for p in self.parameters], 1 - decay)

    @torch.no_grad()
    def install(self) -> None:
        """Puts the averages in place of the parameters."""
        for parameter, average in zip(self.parameters, self.average, strict=True):
            parameter.copy_(average)


LUMA = (0.35, 0.4, 0.25)
SLOPE = ((-1.6, 0.4), (-0.4, 1.6))  # quadrants of a cell: left to right, and a little top to bottom
GROUP = 4
STEADY = 8.0  # K


def pictures_to_pixels(pictures: Any) -> Tensor:
    """[B, H, W, 3] uint8 -> [B, 3, H, W] float32 in -1..1."""
    return torch.from_numpy(pictures).permute(0, 3, 1, 2).float() / 127.5 - 1


def _silence(*modules: Any) -> None:
    for module in modules:
        module.weight.zero_()
        if module.bias is not None:
            module.bias.zero_()


def _let_through(norm: Any, conv: Any, signals: int) -> None:
    """Reads `signals` groups (a, -a, K, -K) back: conv's output i becomes about a_i."""
    spread = STEADY / 2**0.5
    norm.weight.fill_(1)
    norm.bias.zero_()
    for i in range(signals):
        conv.weight[i] = 0
        conv.weight[i, GROUP * i, 1, 1] = spread
        conv.weight[i, GROUP * i + 1, 1, 1] = -spread


def _hold_steady(conv: Any, signals: int) -> None:
    for i in range(signals):
        conv.bias[GROUP * i + 2], conv.bias[GROUP * i + 3] = STEADY, -STEADY


def _silence_residuals(part: Any, channels: slice, scale: float) -> None:
    """Residual branches leave `channels` alone and start small elsewhere."""
    blocks = [*part.mid_block.resnets]
    blocks += [resnet for up in getattr(part, "up_blocks", []) for resnet in up.resnets]
    branches = [block.conv2 for block in blocks] + [part.mid_block.attentions[0].to_out[0]]
    for branch in branches:
        branch.weight.mul_(scale)
        branch.bias.zero_()
        branch.weight[channels] = 0


def _write_encoder(encoder: Any) -> None:
    """conv_in and two downsamplings keep colour means; the last makes them (a, -a, K, -K) and adds the slope."""
    _silence_residuals(encoder, slice(None), 0)
    halvings = [block.downsamplers[0].conv for block in encoder.down_blocks[:-1]]
    _silence(encoder.conv_in, *halvings, encoder.conv_out)
    for colour in range(3):
        encoder.conv_in.weight[colour, colour, 1, 1] = 1
        for conv in halvings[:-1]:
            conv.weight[colour, colour, :2, :2] = 0.25
        for sign, channel in ((1, GROUP * colour), (-1, GROUP * colour + 1)):
            halvings[-1].weight[channel, colour, :2, :2] = 0.25 * sign
        for sign, channel in ((1, GROUP * 3), (-1, GROUP * 3 + 1)):
            halvings[-1].weight[channel, colour, :2, :2] = torch.tensor(SLOPE) / 4 * LUMA[colour] * sign
    _hold_steady(halvings[-1], 4)
    _let_through(encoder.conv_norm_out, encoder.conv_out, 4)


def _start_decoder(decoder: Any) -> None:
    """The first channels interpolate the colour means smoothly; training adds the rest."""
    used = slice(0, GROUP * 3)
    _silence_residuals(decoder, used, 0.1)
    doublings = [block.upsamplers[0].conv for block in decoder.up_blocks[:-1]]
    smooth = torch.tensor([[1.0, 2, 1], [2, 4, 2], [1, 2, 1]]) / 16
    for conv in (decoder.conv_in, *doublings):
        conv.weight[used] = 0
        conv.bias[used] = 0
    for colour in range(3):
        for sign, channel in ((1, GROUP * colour), (-1, GROUP * colour + 1)):
            decoder.conv_in.weight[channel, colour, 1, 1] = sign
            for conv in doublings:
                conv.weight[channel, channel] = smooth
    _hold_steady(doublings[-1], 3)
    decoder.conv_out.weight.mul_(0.1)
    decoder.conv_out.bias.zero_()
    _let_through(decoder.conv_norm_out, decoder.conv_out, 3)


def _whiten(vae: Any, pixels: Tensor) -> None:
    """quant_conv makes the scaled latents of `pixels` uncorrelated, of mean 0 and variance 1; post_quant_conv undoes it.

    The log-variance is a constant -12: sampling and taking the mean are the same to the eye.
    """
    views = vae.encoder(pixels)[:, :4]
    mean = views.mean((0, 2, 3))
    values, vectors = torch.linalg.eigh(torch.cov((views - mean[:, None, None]).transpose(0, 1).flatten(1)))
    whitening = (vectors / values.sqrt()).T / vae.config.scaling_factor
    _silence(vae.quant_conv, vae.post_quant_conv)
    vae.quant_conv.weight[:4, :4, 0, 0] = whitening
    vae.quant_conv.bias[:4] = -whitening @ mean
    vae.quant_conv.bias[4:] = -12
    vae.post_quant_conv.weight[:, :, 0, 0] = torch.linalg.inv(whitening)
    vae.post_quant_conv.bias.copy_(mean)


@torch.no_grad()
def write_vae(vae: Any, seed: int) -> None:
    """Puts the written encoder and the decoder's start into a fresh `AutoencoderKL` without encoder resnets."""
    _write_encoder(vae.encoder)
    _start_decoder(vae.decoder)
    rng = random.Random(seed)
    _whiten(vae, pictures_to_pixels(draw_many([draw_thing(rng) for _ in range(400)], rng)))


@torch.no_grad()
def encode(vae: Any, pixels: Tensor) -> Tensor:
    """[B, 3, H, W] -> scaled latents [B, 4, H/8, W/8]."""
    mean: Tensor = vae.encode(pixels).latent_dist.mean * vae.config.scaling_factor
    return mean


@torch.no_grad()
def decode(vae: Any, latents: Tensor) -> Tensor:
    pixels: Tensor = vae.decode(latents / vae.config.scaling_factor).sample.clamp(-1, 1)
    return pixels


@torch.no_grad()
def psnr(vae: Any, pixels: Tensor) -> float:
    """Decibels of pictures [B, 3, H, W] seen through the autoencoder."""
    error = (decode(vae, encode(vae, pixels)) - pixels).pow(2).mean() / 4
    return float(-10 * torch.log10(error))


def train_decoder(vae: Any, steps: int, seed: int, device: str, batch: int = 16, peak: float = 1e-3) -> None:
    """Teaches the decoder to draw what the written encoder saw, noise-tolerantly."""
    rng = random.Random(seed)
    torch.manual_seed(seed)
    pictures = torch.from_numpy(draw_many([draw_thing(rng) for _ in range(4000)], rng))
    parameters = list(vae.decoder.parameters())
    optimizer = torch.optim.AdamW(parameters, peak, betas=(0.9, 0.98), weight_decay=0)
    averaged = Averaged(parameters, decay=0.97)
    for step in range(steps):
        for group in optimizer.param_groups:
            group["lr"] = learning_rate(peak, step, steps, warm_up=40, flat=0.4)
        picked = torch.randint(0, len(pictures), (batch,))
        pixels = pictures_to_pixels(pictures[picked].numpy()).to(device)
        latents = encode(vae, pixels)
        latents = latents + 0.05 * torch.randn(latents.shape).to(device)
        drawn = vae.decode(latents / vae.config.scaling_factor).sample
        loss = F.l1_loss(drawn, pixels) + F.mse_loss(drawn, pixels)
        optimizer.zero_grad()
        torch.autograd.backward(loss)
        torch.nn.utils.clip_grad_norm_(parameters, 0.5)
        optimizer.step()
        averaged.update()
    averaged.install()
