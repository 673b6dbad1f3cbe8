"""Tiny random checkpoints of every family, read back by the converters of diffusers."""

import json

import pytest
import torch
from safetensors import safe_open

from lib_ti.adapters.standalone.libraries import single_file_utils as convert
from lib_ti.demo.recipe.export import save_checkpoint, unet_state, vae_state
from lib_ti.demo.recipe.networks import build_networks, demo_config, demo_xl_config, load_networks

FAMILIES = {"sd1": demo_config, "sd2": demo_config, "sdxl": demo_xl_config}


@pytest.fixture(params=FAMILIES)
def networks(request):
    return build_networks(request.param, FAMILIES[request.param]())


def equal(left, right):
    return set(left) == set(right) and all(torch.equal(left[k].reshape(right[k].shape), right[k]) for k in right)


def test_the_unet_comes_back(networks):
    state = networks.checkpoint()
    back = convert.convert_ldm_unet_checkpoint(dict(state), config=dict(networks.unet.config))
    assert equal(back, networks.unet.state_dict())


def test_the_autoencoder_comes_back(networks):
    back = convert.convert_ldm_vae_checkpoint(networks.checkpoint(), config=dict(networks.vae.config))
    assert equal(back, networks.vae.state_dict())


def test_the_text_encoders_come_back(networks):
    state = networks.checkpoint()
    bare = {k.removeprefix("text_model."): v for k, v in networks.text.state_dict().items() if "position_ids" not in k}
    if networks.family == "sd2":
        del bare["text_projection.weight"]  # diffusers has no use for it in this family
        back = convert.convert_open_clip_checkpoint(networks.text, dict(state), prefix="cond_stage_model.model.")
    else:
        back = convert.convert_ldm_clip_checkpoint(dict(state))
    assert equal({k.removeprefix("text_model."): v for k, v in back.items()}, bare)
    if networks.text_2 is not None:
        prefix = "conditioner.embedders.1.model."
        back = convert.convert_open_clip_checkpoint(networks.text_2, dict(state), prefix=prefix)
        assert equal(back, {k: v for k, v in networks.text_2.state_dict().items() if "position_ids" not in k})


def test_names_are_the_original_ones():
    sd1 = build_networks("sd1", demo_config()).checkpoint()
    sd2 = build_networks("sd2", demo_config()).checkpoint()
    sdxl = build_networks("sdxl", demo_xl_config()).checkpoint()
    assert "cond_stage_model.transformer.text_model.embeddings.token_embedding.weight" in sd1
    assert "first_stage_model.decoder.up.1.upsample.conv.weight" in sd1
    assert "model.diffusion_model.output_blocks.1.2.conv.weight" in sd1
    assert {"cond_stage_model.model.positional_embedding", "cond_stage_model.model.text_projection"} <= set(sd2)
    assert "conditioner.embedders.0.transformer.text_model.final_layer_norm.weight" in sdxl
    assert "conditioner.embedders.1.model.transformer.resblocks.2.attn.in_proj_weight" in sdxl
    assert "model.diffusion_model.label_emb.0.2.weight" in sdxl


def test_levels_without_attention_and_several_resnets_are_counted_right():
    config = demo_xl_config()
    config["unet"] |= {
        "layers_per_block": 2,
        "block_out_channels": [16, 32, 32],
        "down_block_types": ["DownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D"],
        "up_block_types": ["CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "UpBlock2D"],
        "transformer_layers_per_block": [1, 2, 2],
    }
    config["vae"] |= {"layers_per_block": 2, "block_out_channels": [8, 8, 16, 16]}
    networks = build_networks("sdxl", config)
    state = unet_state(networks.unet, config["unet"])
    back = convert.convert_ldm_unet_checkpoint(dict(state), config=dict(networks.unet.config))
    assert equal(back, networks.unet.state_dict())
    back = convert.convert_ldm_vae_checkpoint(vae_state(networks.vae, config["vae"]), config=dict(networks.vae.config))
    assert equal(back, networks.vae.state_dict())


def test_a_saved_checkpoint_is_half_precision_carries_its_configuration_and_repeats_to_the_byte(tmp_path):
    networks = build_networks("sdxl", demo_xl_config())
    one, two = tmp_path / "one.safetensors", tmp_path / "two.safetensors"
    for path in (one, two):
        save_checkpoint(path, networks.checkpoint(), networks.config, "A title")
    assert one.read_bytes() == two.read_bytes()
    with safe_open(str(one), framework="pt") as file:
        assert json.loads(file.metadata()["ti_lab.config"]) == networks.config
        assert {file.get_tensor(k).dtype for k in file.keys()} == {torch.float16}  # noqa: SIM118
    loaded = load_networks(one)
    for ours, read in zip(networks.modules(), loaded.modules(), strict=True):
        for name, value in ours.state_dict().items():
            if value.is_floating_point():
                assert torch.equal(value.half().float(), read.state_dict()[name])
