"""A user would lose: the reason why a model cannot be trained against, the noise that its checkpoint was made for, or training
where the WebUI has its text encoders or its image encoder on another device than the UNet."""

import sys
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest
import torch

from lib_ti.adapters.noise_schedule import build_alphas_cumprod
from lib_ti.adapters.webui.model import TextEncoder, by_name, device_of, model_info, next_schedule, validate_plain
from lib_ti.errors import UnsupportedModel

WIDTHS = {"clip_l": 768, "clip_h": 1024, "clip_g": 1280}
ELSEWHERE = torch.device("meta")  # stands for an accelerator


@pytest.fixture(autouse=True)
def schedule(monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    """The WebUI's setting, in a stand-in for its module."""
    opts = SimpleNamespace(sd_noise_schedule="Default")
    modules: Any = ModuleType("modules")
    modules.shared = SimpleNamespace(opts=opts)
    monkeypatch.setitem(sys.modules, "modules", modules)
    return opts


def loaded(kind: str = "StableDiffusion", **about: Any) -> Any:
    """A model object as a WebUI has it, of the class `kind`."""
    checkpoint = SimpleNamespace(model_name="mine", shorthash="0123456789")
    return type(kind, (SimpleNamespace,), {})(sd_checkpoint_info=checkpoint, **about)


def encoders(*names: str) -> dict[str, TextEncoder]:
    wrapper = SimpleNamespace(id_pad=0)
    return by_name([TextEncoder(wrapper, torch.empty(0, WIDTHS[name])) for name in names])


@pytest.mark.parametrize(
    ("kind", "names", "prediction"),
    [
        ("Flux", ["clip_l"], "const"),
        ("StableDiffusion3", ["clip_l", "clip_g"], "const"),
        ("StableDiffusionXLRefiner", ["clip_g"], "epsilon"),
        ("Chroma", [], "const"),
    ],
)
def test_models_of_other_families_are_refused_by_name(kind: str, names: list[str], prediction: str) -> None:
    with pytest.raises(UnsupportedModel, match=rf"mine is no SD1, SD2 or SDXL .* as {kind} \(") as refused:
        model_info(loaded(kind), encoders(*names), prediction)
    assert all(name in refused.value.message for name in [*names, prediction])


def test_inpainting_models_are_refused() -> None:
    validate_plain(loaded(), 4)
    for channels, plain in ((9, True), (4, False)):
        with pytest.raises(UnsupportedModel, match=f"mine is an inpainting.* {channels} channels"):
            validate_plain(loaded(), channels, plain)


@pytest.mark.parametrize("where", ["setting", "checkpoint", "checkpoint's config"])
def test_noise_that_leaves_nothing_is_trained_with_where_pictures_are_made_with_it(
    schedule: SimpleNamespace, where: str
) -> None:
    plain, zero = build_alphas_cumprod(), build_alphas_cumprod(zero_terminal_snr=True)
    sd_model = loaded(ztsnr=False, model_config=SimpleNamespace())
    assert not model_info(sd_model, encoders("clip_l", "clip_g"), "v").zero_terminal_snr
    assert torch.equal(next_schedule(sd_model, plain), plain)
    if where == "setting":
        schedule.sd_noise_schedule = "Zero Terminal SNR"
    elif where == "checkpoint":
        sd_model.ztsnr = True
    else:
        sd_model.model_config.ztsnr = True
    assert model_info(sd_model, encoders("clip_l", "clip_g"), "v").zero_terminal_snr
    torch.testing.assert_close(next_schedule(sd_model, plain), zero, rtol=1e-4, atol=1e-7)


def test_each_part_of_a_forge_model_says_where_it_computes() -> None:
    cpu, part = torch.device("cpu"), SimpleNamespace
    objects = part(
        clip=part(patcher=part(load_device=cpu)),
        vae=part(patcher=part(load_device=cpu)),
        unet=part(load_device=ELSEWHERE),
    )
    forge = part(forge_objects=objects)
    assert [device_of(forge, name, ELSEWHERE) for name in ("clip", "vae", "unet")] == [cpu, cpu, ELSEWHERE]
    assert device_of(part(), "clip", ELSEWHERE) == ELSEWHERE
