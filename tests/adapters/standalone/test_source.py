"""`--model`: what users type, and what they are told when it is wrong."""

from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from lib_ti.adapters.standalone.checkpoint import load_weights
from lib_ti.adapters.standalone.source import open_source
from lib_ti.demo.recipe.export import Family, save_checkpoint
from lib_ti.errors import UnsupportedModel
from tests.adapters.standalone.conftest import Tiny, open_host


@pytest.mark.parametrize(("name", "family"), [("demo", "sd1"), ("demo-xl", "sdxl")])
def test_the_demo_models_are_there(name: str, family: str) -> None:
    source = open_source(name)
    assert (source.name, source.detected.family) == (name, family)


def test_a_missing_file_is_named() -> None:
    with pytest.raises(UnsupportedModel, match="nowhere/model"):
        open_source("nowhere/model.safetensors")


def test_a_wrong_file_says_what_it_is_and_where(tmp_path: Path) -> None:
    path = tmp_path / "style.safetensors"
    save_file({"emb_params": torch.zeros(2, 768)}, path)
    with pytest.raises(UnsupportedModel, match="an embedding") as error:
        open_source(str(path))
    assert error.value.where == "style.safetensors"


def test_a_yaml_beside_the_file_is_read(tinies: dict[Family, Tiny], tmp_path: Path) -> None:
    tiny = tinies["sd1"]
    path = tmp_path / "v.safetensors"
    save_checkpoint(path, tiny.state(), tiny.config, "v")
    assert open_source(str(path)).detected.prediction_type == "epsilon"
    path.with_suffix(".yaml").write_text("model:\n  params:\n    parameterization: 'v'\n")
    assert open_source(str(path)).detected.prediction_type == "v_prediction"


def test_flags_in_the_file_reach_the_schedule(tinies: dict[Family, Tiny], tmp_path: Path) -> None:
    tiny = tinies["sdxl"]
    flags = {"v_pred": torch.zeros(0), "ztsnr": torch.zeros(0)}
    path = tmp_path / "v.safetensors"
    save_checkpoint(path, tiny.state() | flags, tiny.config, "v")
    host = open_host(path, tmp_path)
    assert (host.model().prediction_type, host.model().zero_terminal_snr) == ("v_prediction", True)
    assert host._model.alphas_cumprod[-1] < 1e-6


def test_the_spread_of_sd2s_bias_is_measured_in_the_file(tinies: dict[Family, Tiny], tmp_path: Path) -> None:
    key = "model.diffusion_model.output_blocks.11.1.transformer_blocks.0.norm1.bias"
    tiny = tinies["sd2"]
    for width, prediction in ((0.05, "epsilon"), (0.12, "v_prediction")):
        path = tmp_path / f"{prediction}.safetensors"
        bias = width * torch.linspace(-(3**0.5), 3**0.5, 320)
        save_checkpoint(path, tiny.state() | {key: bias}, tiny.config, "x")
        assert open_source(str(path)).detected.prediction_type == prediction


def test_token_tables_are_read_without_the_model(tiny: Tiny) -> None:
    source = open_source(str(tiny.path))
    tables = [value for key, value in sorted(load_weights(tiny.path).items()) if key.endswith("token_embedding.weight")]
    for encoder, table in zip(source.detected.encoders, tables, strict=True):
        assert torch.equal(source.load_table(encoder.name), table)
