"""A wrong guess about a checkpoint spoils every run on it; a wrong file should be named for what it is."""

import json

import pytest

from lib_ti.adapters.standalone.checkpoint import Header
from lib_ti.adapters.standalone.detection import UNET, detect_checkpoint, family_networks
from lib_ti.errors import UnsupportedModel

BIAS = UNET + "output_blocks.11.1.transformer_blocks.0.norm1.bias"
INPUT = {UNET + "input_blocks.0.0.weight": (320, 4, 3, 3)}
SD1 = INPUT | {"cond_stage_model.transformer.text_model.embeddings.token_embedding.weight": (49408, 768)}
SD2 = INPUT | {"cond_stage_model.model.token_embedding.weight": (49408, 1024), BIAS: (320,)}
SDXL = INPUT | {
    UNET + "label_emb.0.0.weight": (1280, 2816),
    "conditioner.embedders.0.transformer.text_model.embeddings.token_embedding.weight": (49408, 768),
    "conditioner.embedders.1.model.token_embedding.weight": (49408, 1280),
}
FLAG: dict[str, tuple[int, ...]] = {"v_pred": (0,)}
ZTSNR: dict[str, tuple[int, ...]] = {"ztsnr": (0,)}
V_YAML = 'model:\n  params:\n    parameterization: "v"\n    linear_start: 0.00085\n'
EPS_YAML = "model:\n  params:\n    linear_start: 0.00085\n    parameterization: eps\n"


def detect(shapes: dict[str, tuple[int, ...]], yaml: str = "", spread: float = 0.01, config: object = None):  # type: ignore[no-untyped-def]
    metadata = {} if config is None else {"ti_lab.config": config if isinstance(config, str) else json.dumps(config)}
    return detect_checkpoint(Header(shapes, metadata), yaml, lambda key: spread)


@pytest.mark.parametrize(
    ("shapes", "yaml", "spread", "family", "prediction", "ztsnr", "size"),
    [
        (SD1, "", 0.2, "sd1", "epsilon", False, 512),
        (SD1, EPS_YAML, 0.2, "sd1", "epsilon", False, 512),
        (SD1, V_YAML, 0.01, "sd1", "v_prediction", False, 512),
        (SD1 | FLAG, "", 0.01, "sd1", "v_prediction", False, 512),
        (SD2, "", 0.05, "sd2", "epsilon", False, 512),
        (SD2, "", 0.12, "sd2", "v_prediction", False, 768),
        (SD2, V_YAML, 0.05, "sd2", "v_prediction", False, 768),
        (SDXL, "", 0.2, "sdxl", "epsilon", False, 1024),
        (SDXL | FLAG, "", 0.01, "sdxl", "v_prediction", False, 1024),
        (SDXL | FLAG | ZTSNR, "", 0.01, "sdxl", "v_prediction", True, 1024),
    ],
)
def test_detection_table(shapes, yaml, spread, family, prediction, ztsnr, size) -> None:  # type: ignore[no-untyped-def]
    found = detect(shapes, yaml, spread)
    assert (found.family, found.prediction_type, found.zero_terminal_snr) == (family, prediction, ztsnr)
    assert (found.native_size, found.pixel_multiple) == (size, 8)


@pytest.mark.parametrize(
    ("shapes", "encoders"),
    [
        (SD1, [("clip_l", 768, 49407)]),
        (SD2, [("clip_h", 1024, 0)]),
        (SDXL, [("clip_l", 768, 49407), ("clip_g", 1280, 0)]),
    ],
)
def test_encoders(shapes: dict[str, tuple[int, ...]], encoders: list[tuple[str, int, int]]) -> None:
    assert [(e.name, e.width, e.padding_id) for e in detect(shapes).encoders] == encoders


@pytest.mark.parametrize(
    ("shapes", "found"),
    [
        (INPUT, "no text encoder"),
        ({k: v for k, v in SDXL.items() if "embedders.1" not in k}, "only one of two text encoders"),
        ({UNET + "input_blocks.0.0.weight": (320, 9, 3, 3)}, "an inpainting model"),
        ({UNET + "input_blocks.0.0.weight": (320, 8, 3, 3)}, "InstructPix2Pix"),
        (INPUT | {"conditioner.embedders.0.model.ln_final.weight": (1280,)}, "the SDXL refiner"),
        ({UNET + "joint_blocks.0.context_block.attn.qkv.weight": (4608, 1536)}, "an SD3 model"),
        ({UNET + "double_blocks.0.img_attn.qkv.weight": (9216, 3072)}, "a Flux model"),
        ({"double_blocks.0.img_attn.qkv.weight": (9216, 3072)}, "a Flux model"),
        ({"lora_unet_down_blocks_0_attentions_0_proj_in.lora_down.weight": (4, 320)}, "a LoRA"),
        ({"unet.down_blocks.0.attentions.0.to_k.lora_A.weight": (4, 320)}, "a LoRA"),
        ({"emb_params": (2, 768)}, "an embedding"),
        ({"clip_l": (2, 768), "clip_g": (2, 1280)}, "an embedding"),
        ({"string_to_token": (), "string_to_param": (), "name": ()}, "an embedding"),
        ({"encoder.conv_in.weight": (128, 3, 3, 3), "decoder.conv_in.weight": (512, 4, 3, 3)}, "a VAE"),
        ({"first_stage_model.encoder.conv_in.weight": (128, 3, 3, 3)}, "a VAE"),
        ({"text_model.encoder.layers.0.layer_norm1.bias": (768,)}, "a text encoder alone"),
        ({"down_blocks.0.resnets.0.conv1.weight": (320, 320, 3, 3)}, "give the whole folder"),
        ({"control_model.input_blocks.0.0.weight": (320, 4, 3, 3)}, "a ControlNet"),
        (SDXL | {"edm_mean": (4,)}, "EDM"),
        ({"a": (1,), "b": (2,)}, "No diffusion model is in this file; it starts with a, b"),
        ({}, "it starts with nothing"),
    ],
)  # fmt: skip
def test_wrong_files_are_named_for_what_they_are(shapes: dict[str, tuple[int, ...]], found: str) -> None:
    with pytest.raises(UnsupportedModel, match=found) as error:
        detect(shapes)
    assert "Use" in error.value.hint or "Use" in error.value.message


def test_a_small_model_brings_its_own_configuration() -> None:
    config = family_networks("sd1") | {"native_size": 64}
    config["text_encoder"] |= {"hidden_size": 40}
    config["vae"] |= {"block_out_channels": [32] * 3}
    found = detect(SD1, config=config)
    assert (found.native_size, found.pixel_multiple, found.encoders[0].width) == (64, 4, 40)


@pytest.mark.parametrize("config", ["{no json", {"unet": {}}, [1]])
def test_a_broken_configuration_is_refused(config: object) -> None:
    with pytest.raises(UnsupportedModel, match=r"ti_lab\.config"):
        detect(SD1, config=config)
