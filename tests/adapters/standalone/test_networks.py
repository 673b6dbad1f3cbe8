"""Weights must land where they belong: a swapped key shows only as a bad picture."""

import json
import os
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from lib_ti.adapters.standalone.checkpoint import load_header
from lib_ti.adapters.standalone.detection import Detected, detect_checkpoint, encoders_of, family_networks
from lib_ti.adapters.standalone.networks import load_networks
from lib_ti.demo.recipe.export import Family, save_checkpoint
from lib_ti.demo.recipe.networks import build_networks
from lib_ti.errors import UnsupportedModel
from tests.adapters.standalone.conftest import Tiny

CPU = torch.device("cpu")
PARAMETERS = {  # of the public checkpoints
    "sd1": {"unet": 859_520_964, "vae": 83_653_863, "clip_l": 123_060_480},
    "sd2": {"unet": 865_910_724, "vae": 83_653_863, "clip_h": 340_387_840},
    "sdxl": {"unet": 2_567_463_684, "vae": 83_653_863, "clip_l": 123_060_480, "clip_g": 694_659_840},
}
TENSORS = {"sd1": 1130, "sd2": 686 + 248 + 24 * 12 + 5, "sdxl": 2513}  # without position_ids and logit_scale


def load(path: Path, dtype: torch.dtype = torch.float32):  # type: ignore[no-untyped-def]
    return load_networks(path, detect_checkpoint(load_header(path), "", lambda key: 0.0), CPU, dtype)


def test_a_checkpoint_in_the_original_layout_loads_equal(tiny: Tiny) -> None:
    networks = load(tiny.path)
    ours = [networks.unet, networks.vae, *networks.texts.values()]
    for mine, theirs in zip(ours, tiny.networks.modules(), strict=True):
        expected, loaded = (
            {key.removeprefix("text_model."): value for key, value in module.state_dict().items()}
            for module in (theirs, mine)
        )
        assert all(torch.equal(value, expected[key]) for key, value in loaded.items())
        unused = {key for key in expected if key not in loaded}
        wanted = {"sd2": ("encoder.layers.2.", "text_projection.")}.get(tiny.family, ())
        assert all(key.startswith(wanted) for key in unused)  # SD2's last layer has no use


def test_weights_are_frozen_and_in_the_precision_asked_for(tiny: Tiny) -> None:
    networks = load(tiny.path, torch.bfloat16)
    assert {weight.dtype for weight in networks.unet.parameters()} == {torch.bfloat16}
    for module in (networks.vae, *networks.texts.values()):
        assert {weight.dtype for weight in module.parameters()} == {torch.float32}
    for module in networks.modules():
        assert not module.training
        assert not any(weight.requires_grad for weight in module.parameters())
        assert not any(tensor.is_meta for tensor in [*module.parameters(), *module.buffers()])


def test_ckpt_and_safetensors_are_one_model(tiny: Tiny, tmp_path: Path) -> None:
    path = tmp_path / "m.safetensors"
    as_ckpt = tmp_path / "m.ckpt"
    state = {key: value.contiguous() for key, value in tiny.state().items()}
    extra = {"model_ema.decay": torch.ones(()), "cond_stage_model.logit_scale": torch.ones(())}
    save_file(state | extra, path, metadata={"ti_lab.config": json.dumps(tiny.config)})
    torch.save({"state_dict": state | extra}, as_ckpt)
    detected = detect_checkpoint(load_header(path), "", lambda key: 0.0)
    pairs = zip(load(path).modules(), load_networks(as_ckpt, detected, CPU, torch.float32).modules(), strict=True)
    for one, other in pairs:
        assert all(torch.equal(a, b) for a, b in zip(one.parameters(), other.parameters(), strict=True))


@pytest.mark.skipif(os.name == "nt", reason="Windows keeps a file that is in use")
def test_the_file_may_be_replaced_while_the_model_is_in_use(tiny: Tiny, tmp_path: Path) -> None:
    """A weight that still lies in the file would change, or crash, with it."""
    path = tmp_path / "m.safetensors"
    state = {key: value.float().contiguous() for key, value in tiny.state().items()}
    save_file(state, path, metadata={"ti_lab.config": json.dumps(tiny.config)})
    networks = load(path)
    before = networks.unet.conv_in.weight.clone()
    path.write_bytes(b"\x00" * path.stat().st_size)
    assert torch.equal(networks.unet.conv_in.weight, before)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda state: state.pop("model.diffusion_model.out.2.bias"), "The UNet .* lacks 1 weights, such as conv_out.bias"),
        (lambda state: state.pop("first_stage_model.decoder.conv_in.bias"), "The image encoder .* lacks 1 weights"),
        (
            lambda state: state.update({"cond_stage_model.transformer.text_model.extra.weight": torch.ones(2)}),
            "The text encoder clip_l .* has unknown 1 weights, such as .*extra.weight",
        ),
        (lambda state: state.update({"model.diffusion_model.out.2.bias": torch.ones(5)}), "has other shapes for 1 weights"),
    ],
)  # fmt: skip
def test_a_variant_is_refused_by_its_keys(tinies: dict[Family, Tiny], tmp_path: Path, change, message: str) -> None:  # type: ignore[no-untyped-def]
    tiny = tinies["sd1"]
    state = tiny.state()
    change(state)
    path = tmp_path / "variant.safetensors"
    save_checkpoint(path, state, tiny.config, "variant")
    with pytest.raises(UnsupportedModel, match=message):
        load(path)


@pytest.mark.parametrize("family", PARAMETERS)
def test_our_configurations_have_the_sizes_of_the_public_models(
    family: Family, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Built without storage, exported under the original names, and taken in again by those names and shapes."""
    config = family_networks(family)
    with torch.device("meta"):
        networks = build_networks(family, config)
        state = networks.checkpoint()
    assert len(state) == TENSORS[family]
    detected = Detected(family, encoders_of(family, config), "epsilon", False, 512, config)
    monkeypatch.setattr("lib_ti.adapters.standalone.networks.load_weights", lambda path: state)
    loaded = load_networks(Path(f"{family}.safetensors"), detected, torch.device("meta"), torch.float16)
    counts = {"unet": loaded.unet, "vae": loaded.vae, **loaded.texts}
    assert {name: sum(w.numel() for w in m.parameters()) for name, m in counts.items()} == PARAMETERS[family]
