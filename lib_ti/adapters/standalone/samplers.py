"""WebUI's sampler names on diffusers' schedulers."""

from __future__ import annotations

from difflib import get_close_matches
from inspect import signature
from typing import TYPE_CHECKING, Any

from lib_ti.errors import HostError
from lib_ti.host import PredictionType

if TYPE_CHECKING:
    from torch import Generator, Tensor

_KARRAS = {"use_karras_sigmas": True}
_SDE = {"algorithm_type": "sde-dpmsolver++"}
_SAMPLERS: dict[str, tuple[str, dict[str, Any]]] = {
    "DPM++ 2M": ("DPMSolverMultistepScheduler", {}),
    "DPM++ 2M Karras": ("DPMSolverMultistepScheduler", _KARRAS),
    "DPM++ 2M SDE": ("DPMSolverMultistepScheduler", _SDE),
    "DPM++ 2M SDE Karras": ("DPMSolverMultistepScheduler", _SDE | _KARRAS),
    "Euler": ("EulerDiscreteScheduler", {}),
    "Euler a": ("EulerAncestralDiscreteScheduler", {}),
    "Heun": ("HeunDiscreteScheduler", {}),
    "DDIM": ("DDIMScheduler", {"clip_sample": False, "set_alpha_to_one": False}),
    "UniPC": ("UniPCMultistepScheduler", {}),
}


def sampler_names() -> list[str]:
    return list(_SAMPLERS)


def validate_sampler(name: str) -> None:
    """Raises HostError for what is none of `sampler_names`, with the nearest that is."""
    if name not in _SAMPLERS:
        near = get_close_matches(name, _SAMPLERS, n=1, cutoff=0.4)
        hint = f"Did you mean {near[0]}?" if near else "There are: " + ", ".join(_SAMPLERS)
        raise HostError(f"There is no sampler called {name!r}.", hint)


def build_sampler(name: str, alphas_cumprod: Tensor, prediction_type: PredictionType, zero_terminal_snr: bool) -> Any:
    """A diffusers scheduler. Zero-terminal SNR needs its very last timestep, which trailing spacing alone includes."""
    import diffusers

    from lib_ti.adapters.noise_schedule import betas_of

    validate_sampler(name)
    kind, options = _SAMPLERS[name]
    spacing: dict[str, Any] = {"timestep_spacing": "linspace"}
    if zero_terminal_snr:
        spacing = {"timestep_spacing": "trailing"}
    elif name == "DDIM":
        spacing = {"timestep_spacing": "leading", "steps_offset": 1}
    return getattr(diffusers, kind)(
        num_train_timesteps=len(alphas_cumprod),
        trained_betas=betas_of(alphas_cumprod.double()).numpy(),
        prediction_type=prediction_type,
        **spacing,
        **options,
    )


def take_step(sampler: Any, model_pred: Tensor, timestep: Tensor, latents: Tensor, generator: Generator) -> Tensor:
    """The latents one step cleaner. A sampler that adds noise of its own draws it from `generator`."""
    extra = {"generator": generator} if "generator" in signature(sampler.step).parameters else {}
    cleaner: Tensor = sampler.step(model_pred, timestep, latents, return_dict=False, **extra)[0]
    return cleaner
