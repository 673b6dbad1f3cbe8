"""A sampler must take pure noise to the picture, for models that predict noise and models that predict v."""

import pytest
import torch

from lib_ti.adapters.noise_schedule import build_alphas_cumprod
from lib_ti.adapters.standalone.samplers import build_sampler, sampler_names, take_step
from lib_ti.errors import HostError
from lib_ti.host import PredictionType

KINDS: list[tuple[PredictionType, bool]] = [("epsilon", False), ("v_prediction", False), ("v_prediction", True)]


@pytest.mark.parametrize(("prediction", "zero"), KINDS)
@pytest.mark.parametrize("name", sampler_names())
def test_a_model_that_knows_the_picture_gets_there(name: str, prediction: PredictionType, zero: bool) -> None:
    """The perfect model for a world of a single picture: noise = (x - sqrt(a) picture) / sqrt(1 - a)."""
    alphas = build_alphas_cumprod(zero).double()
    picture = torch.linspace(-1, 1, 64).view(1, 4, 4, 4)
    generator = torch.Generator().manual_seed(0)
    sampler = build_sampler(name, alphas.float(), prediction, zero)
    sampler.set_timesteps(20)
    x = torch.randn(picture.shape, generator=generator) * sampler.init_noise_sigma
    for timestep in sampler.timesteps:
        scaled = sampler.scale_model_input(x, timestep).double()
        low = int(timestep)
        a = torch.lerp(alphas[low], alphas[min(low + 1, 999)], float(timestep) - low)
        noise = (scaled - a.sqrt() * picture) / (1 - a).sqrt()
        output = noise if prediction == "epsilon" else a.sqrt() * noise - (1 - a).sqrt() * picture
        x = take_step(sampler, output.float(), timestep, x, generator)
    assert (x - picture).abs().max() < 0.15
    if zero:
        assert sampler.timesteps[0] == 999  # where there is no signal at all


def test_a_near_name_is_offered() -> None:
    with pytest.raises(HostError, match="DPM 2M Kar") as error:
        build_sampler("DPM 2M Karas", build_alphas_cumprod(), "epsilon", False)
    assert error.value.hint == "Did you mean DPM++ 2M Karras?"
