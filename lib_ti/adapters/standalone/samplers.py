"""WebUI's sampler names on diffusers' schedulers."""

from __future__ import annotations

from difflib import get_close_matches
from typing import Any

from torch import Tensor

from lib_ti.adapters.standalone.noise import STEPS, betas_of
from lib_ti.errors import HostError
from lib_ti.host import PredictionType

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


def build_sampler(name: str, alphas_cumprod: Tensor, prediction_type: PredictionType, zero_terminal_snr: bool) -> Any:
    """A diffusers scheduler. Zero-terminal SNR needs its very last timestep, which trailing spacing alone includes."""
    import diffusers

    if name not in _SAMPLERS:
        near = get_close_matches(name, _SAMPLERS, n=1, cutoff=0.4)
        hint = f"Did you mean {near[0]}?" if near else "There are: " + ", ".join(_SAMPLERS)
        raise HostError(f"There is no sampler called {name!r}.", hint)
    kind, options = _SAMPLERS[name]
    spacing: dict[str, Any] = {"timestep_spacing": "linspace"}
    if zero_terminal_snr:
        spacing = {"timestep_spacing": "trailing"}
    elif name == "DDIM":
        spacing = {"timestep_spacing": "leading", "steps_offset": 1}
    return getattr(diffusers, kind)(
        num_train_timesteps=STEPS,
        trained_betas=betas_of(alphas_cumprod.double()).numpy(),
        prediction_type=prediction_type,
        **spacing,
        **options,
    )
