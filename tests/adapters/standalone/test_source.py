"""`--model`: what users type, and what is reported when it is wrong. A diffusers folder is read like the checkpoint it came from,
and never looked for on a hub."""

import json
import socket
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file

from lib_ti.adapters.standalone.checkpoint import load_weights
from lib_ti.adapters.standalone.host import StandaloneHost
from lib_ti.adapters.standalone.source import detect_folder, open_source, weights_file
from lib_ti.demo.recipe.export import Family, save_checkpoint
from lib_ti.errors import UnsupportedModel
from lib_ti.host import PictureSize, SessionRequest
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


def write_folder(
    folder: Path, tiny: Tiny, index: dict[str, Any] | None = None, noise: dict[str, Any] | None = None
) -> Path:
    networks = tiny.networks
    networks.unet.save_pretrained(folder / "unet")
    networks.vae.save_pretrained(folder / "vae")
    text = networks.text
    if tiny.family == "sd2":  # diffusers' folders leave out the last layer, which has no use
        text = open_host(tiny.path, folder)._model.networks.texts["clip_h"]
    text.save_pretrained(folder / "text_encoder")
    if networks.text_2 is not None:
        networks.text_2.save_pretrained(folder / "text_encoder_2")
    (folder / "model_index.json").write_text(json.dumps(index or {"_class_name": "StableDiffusionPipeline"}))
    (folder / "scheduler").mkdir()
    (folder / "scheduler" / "scheduler_config.json").write_text(json.dumps(noise or {"prediction_type": "epsilon"}))
    return folder


@torch.no_grad()
def predict(host: StandaloneHost) -> dict[str, torch.Tensor]:
    with host.training_session(SessionRequest("zork", 1)) as session:
        conditioning = session.encode_prompts(["a red cat"], {}, [PictureSize(64, 64, 0, 0, 64, 64)])
        noisy = torch.ones(1, 4, 8, 8)
        latents = session.encode_images(torch.zeros(1, 3, 64, 64))
        prediction = session.predict(noisy, torch.tensor([300]), conditioning)
        return {**conditioning.tensors, "prediction": prediction, "mean": latents.mean}


def test_a_folder_is_the_same_model_as_its_checkpoint(
    tiny: Tiny, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = write_folder(tmp_path / "model", tiny)
    monkeypatch.setattr(socket, "socket", lambda *_: pytest.fail("the network was used"))
    ours, theirs = open_host(folder, tmp_path), open_host(tiny.path, tmp_path)
    assert ours.model().encoders == theirs.model().encoders
    assert ours.model().family == tiny.family
    assert ours.model().name == "model"
    assert (ours.model().native_size, ours.model().pixel_multiple) == (64, 8)
    for encoder in ours.model().encoders:
        assert torch.equal(ours.all_token_vectors(encoder.name), theirs.all_token_vectors(encoder.name))
    expected = predict(theirs)
    for key, tensor in predict(ours).items():
        torch.testing.assert_close(tensor, expected[key], rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("tiny", ["sd1"], indirect=True)
def test_the_scheduler_names_the_prediction_type(tiny: Tiny, tmp_path: Path) -> None:
    noise = {"prediction_type": "v_prediction", "rescale_betas_zero_snr": True}
    model = open_host(write_folder(tmp_path / "model", tiny, noise=noise), tmp_path).model()
    assert (model.prediction_type, model.zero_terminal_snr) == ("v_prediction", True)


@pytest.mark.parametrize("tiny", ["sd1"], indirect=True)
def test_a_part_without_weights_is_named(tiny: Tiny, tmp_path: Path) -> None:
    folder = write_folder(tmp_path / "model", tiny)
    for file in (folder / "vae").glob("*.safetensors"):
        file.unlink()
    with pytest.raises(UnsupportedModel, match="part vae"):
        predict(open_host(folder, tmp_path))


def test_other_pipelines_are_named(tmp_path: Path) -> None:
    (tmp_path / "model_index.json").write_text('{"_class_name": "FluxPipeline"}')
    with pytest.raises(UnsupportedModel, match="FluxPipeline"):
        detect_folder(tmp_path)


def test_a_folder_that_is_no_model_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UnsupportedModel, match=r"unet/config\.json"):
        detect_folder(tmp_path)


def test_full_precision_safetensors_are_preferred(tmp_path: Path) -> None:
    for name in ("model.fp16.safetensors", "model.bin", "config.json"):
        (tmp_path / name).touch()
    assert weights_file(tmp_path).name == "model.bin"
    (tmp_path / "model.safetensors").touch()
    assert weights_file(tmp_path).name == "model.safetensors"
