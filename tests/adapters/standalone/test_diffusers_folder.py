"""A diffusers folder is read like the checkpoint it came from, and never looked for on a hub."""

import json
import socket
from pathlib import Path
from typing import Any

import pytest
import torch

from lib_ti.adapters.standalone.diffusers_folder import detect_folder, weights_file
from lib_ti.adapters.standalone.host import StandaloneHost
from lib_ti.errors import UnsupportedModel
from lib_ti.host import PictureSize, SessionRequest
from tests.adapters.standalone.conftest import Tiny, open_host


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
def test_the_scheduler_tells_the_prediction_type(tiny: Tiny, tmp_path: Path) -> None:
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
