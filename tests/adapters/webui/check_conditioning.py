"""What a prompt becomes in training, against what it becomes in the WebUI's own pictures."""

import gc
from typing import Any

import pytest
import torch

from lib_ti.adapters.webui.model import networks_of
from lib_ti.adapters.webui.settings import options_set
from lib_ti.app import App
from lib_ti.host import PictureSize, SessionRequest
from tests.adapters.webui.conftest import NAME, ROWS

SIZE = PictureSize(64, 64, 0, 0, 64, 64)


@pytest.mark.parametrize("emphasis", ["None", "Ignore", "Original", "No norm"])
def test_training_reads_a_prompt_as_the_webui_itself_does(app: App, sd_model: Any, emphasis: str) -> None:
    from modules.prompt_parser import SdConditioning

    ids = app.host.tokenize("red cat")
    vectors = {e.name: app.host.token_vectors(ids, e.name) for e in app.host.model().encoders}
    named = ["", f"a photo of a {NAME}", f"a [{NAME}] on (a table:1.3) BREAK and {NAME}", "word " * 80 + NAME]
    with options_set(emphasis=emphasis), torch.no_grad():
        with app.host.training_session(SessionRequest(NAME, ROWS)) as session:
            read = [session.encode_prompts([prompt], {NAME: vectors}, [SIZE]).tensors for prompt in named]
        for prompt, ours in zip(named, read, strict=True):
            spelled = SdConditioning([prompt.replace(NAME, "red cat")], width=64, height=64)
            own = sd_model.get_learned_conditioning(spelled)
            for key, theirs in (own if isinstance(own, dict) else {"crossattn": own}).items():
                assert torch.equal(ours[key], theirs), (prompt, key)


def test_a_prompt_is_encoded_as_if_it_were_alone(app: App) -> None:
    """Else what an embedding learns from one picture would hang on the captions of the others."""
    prompts = ["a cat", f"a ({NAME}:1.3)", "word " * 80]
    vectors = {e.name: app.host.token_vectors([320, 736], e.name) for e in app.host.model().encoders}
    with app.host.training_session(SessionRequest(NAME, ROWS)) as session, torch.no_grad():
        together = session.encode_prompts(prompts, {NAME: vectors}, [SIZE] * 3).tensors["crossattn"]
        for prompt, row in zip(prompts, together, strict=True):
            alone = session.encode_prompts([prompt], {NAME: vectors}, [SIZE]).tensors["crossattn"][0]
            torch.testing.assert_close(row[: len(alone)], alone, rtol=1e-4, atol=1e-5)


def test_a_prompt_keeps_no_copies_of_the_text_encoders_weights(app: App, sd_model: Any) -> None:
    """A WebUI that casts weights at each use would leave them all in the graph: gigabytes for SDXL's larger encoder."""
    vectors = {e.name: app.host.token_vectors([736, 2368], e.name).requires_grad_() for e in app.host.model().encoders}
    kept: dict[int, int] = {}  # bytes by place

    def keep(tensor: torch.Tensor) -> torch.Tensor:
        storage = tensor.untyped_storage()
        kept[storage.data_ptr()] = storage.nbytes()
        return tensor

    with app.host.training_session(SessionRequest(NAME, ROWS)) as session:
        with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
            session.encode_prompts([f"a photo of a {NAME}"], {NAME: vectors}, [SIZE])
        weights = {t.untyped_storage().data_ptr() for root in networks_of(sd_model) for t in root.parameters()}
    assert sum(size for place, size in kept.items() if place not in weights) < 2**20 * (
        1000 if "clip_g" in vectors else 100
    )


def test_nothing_of_a_prompt_is_held_once_the_run_lets_go_of_it(app: App, sd_model: Any) -> None:
    """The gradient of an SDXL prompt keeps gigabytes, and a run that fails may not get to its backward pass."""
    ids, encoders = app.host.tokenize("red star"), app.host.model().encoders
    vectors = {e.name: app.host.token_vectors(ids, e.name).requires_grad_() for e in encoders}
    with app.host.training_session(SessionRequest(NAME, ROWS)) as session:
        before = _in_a_graph()
        conditioning = session.encode_prompts([f"a ({NAME}:1.1)"], {NAME: vectors}, [SIZE])
        assert len(_in_a_graph()) > len(before)
        del conditioning
        assert len(_in_a_graph()) <= len(before)


def _in_a_graph() -> list[torch.Size]:
    gc.collect()
    tensors = [one for one in gc.get_objects() if isinstance(one, torch.Tensor)]
    return [tensor.shape for tensor in tensors if tensor.grad_fn is not None]
