"""Given the same checkpoint, prompt, noise and timestep, every WebUI computes the same: an embedding that is trained in one
means the same in all.

WEBUI_REFERENCE names a folder: the first WebUI that runs leaves its numbers there, and later ones are compared with them.
"""

import os
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from lib_ti.app import App
from lib_ti.host import PictureSize, SessionRequest
from tests.adapters.webui.conftest import NAME, ROWS

SIZE = PictureSize(640, 512, 16, 8, 512, 448)
PROMPTS = [f"a photo of {NAME} on a table", f"a photo of {NAME} on (a table:1.1)", "word " * 80 + NAME]


def test_it_computes_what_the_other_webuis_compute(app: App) -> None:
    folder = os.environ.get("WEBUI_REFERENCE") or pytest.skip("no folder of WEBUI_REFERENCE")
    computed, path = compute(app), Path(folder) / f"{app.model().name}.safetensors"
    if not path.exists():
        save_file(computed, path)
        pytest.skip("the first: the others are compared with it")
    expected = load_file(path)
    assert computed.keys() == expected.keys()
    for name, tensor in expected.items():
        torch.testing.assert_close(
            computed[name], tensor, rtol=1e-5, atol=1e-5, msg=lambda report, name=name: f"{name}: {report}"
        )


def compute(app: App) -> dict[str, torch.Tensor]:
    vectors = {e.name: app.host.token_vectors([2368, 1929], e.name).requires_grad_() for e in app.host.model().encoders}
    values = {}
    with app.host.training_session(SessionRequest(NAME, ROWS)) as session:
        for number, prompt in enumerate(PROMPTS):
            conditioning = session.encode_prompts([prompt], {NAME: vectors}, [SIZE])
            prediction = session.predict(_noise(1, 4, 8, 8), torch.tensor([500]), conditioning)
            gradients = torch.autograd.grad(prediction.square().mean(), list(vectors.values()))
            values |= {f"{number}.{key}": tensor.detach() for key, tensor in conditioning.tensors.items()}
            values |= {f"{number}.gradient.{key}": one for key, one in zip(vectors, gradients, strict=True)}
            values[f"{number}.prediction"] = prediction.detach()
        latents = session.encode_images(_noise(1, 3, 64, 64).clamp(-1, 1))
        values |= {"latents.mean": latents.mean, "latents.std": latents.std, "alphas": session.alphas_cumprod}
    return {name: tensor.clone().contiguous() for name, tensor in values.items()}


def _noise(*shape: int) -> torch.Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(1))
