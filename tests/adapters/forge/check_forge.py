"""What only Forge can break; run inside one by tests/adapters/webui/test_in_webui.py."""

from collections.abc import Callable, Iterator
from contextlib import closing
from functools import partial
from typing import Any

import numpy as np
import pytest
import torch

from lib_ti.adapters.webui.model import networks_of
from lib_ti.app import App
from lib_ti.config.embeddings import CreateConfig
from lib_ti.errors import HostError, UnsupportedModel
from lib_ti.host import ImageRequest, PictureSize, SessionRequest
from tests.adapters.webui.check_gradient import validate_gradient
from tests.adapters.webui.check_loras import lora
from tests.adapters.webui.conftest import NAME, ROWS

__all__ = ["lora"]

SIZE = PictureSize(64, 64, 0, 0, 64, 64)


@pytest.fixture
def storage(sd_model: Any, request: pytest.FixtureRequest) -> Iterator[torch.dtype]:
    """The UNet kept in another dtype than it computes in, as Diffusion in Low Bits has it."""
    from modules import sd_models
    from modules_forge import main_entry

    def load(dtype: torch.dtype | None) -> None:
        main_entry.refresh_model_loading_parameters()
        sd_models.model_data.forge_loading_parameters["unet_storage_dtype"] = dtype
        sd_models.forge_model_reload()

    load(request.param)
    yield request.param
    load(None)


def test_a_chosen_checkpoint_is_pending_until_it_is_needed(app: App, sd_model: Any) -> None:
    from modules import sd_models

    assert app.host.pending_model() == ""
    data = sd_models.model_data
    chosen = {**data.forge_loading_parameters, "additional_modules": ["another"]}
    kept, data.forge_loading_parameters = data.forge_loading_parameters, chosen
    try:
        assert app.host.pending_model() == sd_model.sd_checkpoint_info.model_name
        with pytest.raises(HostError, match="is chosen, and loaded when it is first needed"):
            app.model()
    finally:
        data.forge_loading_parameters = kept
    assert app.model().name == sd_model.sd_checkpoint_info.model_name


def test_a_checkpoint_that_cannot_be_loaded_is_reported_and_the_one_before_can_be_had_again(
    app: App, sd_model: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    from modules import sd_models

    data, name = sd_models.model_data, app.model().name
    kept = data.forge_loading_parameters
    data.forge_loading_parameters = {**kept, "additional_modules": ["another"]}
    monkeypatch.setattr(sd_models, "forge_loader", lambda *paths, **options: None)  # for a family it does not know
    try:
        with pytest.raises(HostError, match=f"could not load {name}"):
            app.host.model()
    finally:
        monkeypatch.undo()
        data.forge_loading_parameters = kept
    assert app.host.model().name == name


def test_a_preview_keeps_the_engine_and_the_user_keeps_a_choice_made_meanwhile(app: App, sd_model: Any) -> None:
    from modules import script_callbacks, sd_models

    data = sd_models.model_data
    kept = data.forge_loading_parameters
    before, during = ({**kept, "additional_modules": [name]} for name in ("chosen before", "chosen meanwhile"))

    def choose(params: Any) -> None:
        data.forge_loading_parameters = during

    vectors = {e.name: app.host.token_vectors([320, 736], e.name) for e in app.host.model().encoders}
    try:
        with app.host.training_session(SessionRequest(NAME, ROWS)) as session:
            data.forge_loading_parameters = before
            assert session.preview(ImageRequest(f"a {NAME}", steps=1), {NAME: vectors}) is not None
            assert data.forge_loading_parameters is before
            script_callbacks.on_cfg_denoiser(choose)
            try:
                session.preview(ImageRequest(f"a {NAME}", steps=1), {NAME: vectors})
            finally:
                script_callbacks.remove_callbacks_for_function(choose)
            assert data.forge_loading_parameters is during
            session.check()
            assert data.sd_model is sd_model
    finally:
        data.forge_loading_parameters = kept


def test_a_swapped_engine_is_noticed(app: App, sd_model: Any) -> None:
    from copy import copy

    from modules import sd_models

    with app.host.training_session(SessionRequest(NAME, ROWS)) as session:
        sd_models.model_data.sd_model = copy(sd_model)
        try:
            with pytest.raises(HostError, match="changed its model"):
                session.check()
        finally:
            sd_models.model_data.sd_model = sd_model


def test_training_prompts_leave_no_word_in_the_next_infotext(app: App, sd_model: Any, capsys: Any) -> None:
    from modules import processing

    vectors = {e.name: app.host.token_vectors([320, 736], e.name) for e in app.host.model().encoders}
    with app.host.training_session(SessionRequest(NAME, ROWS)) as session:
        capsys.readouterr()
        for _ in range(3):
            session.encode_prompts([f"a {NAME}"], {NAME: vectors}, [SIZE])
        assert capsys.readouterr().out == ""
    p = processing.StableDiffusionProcessingTxt2Img(
        sd_model=sd_model, prompt="a cat", steps=1, seed=1, width=64, height=64, sampler_name="Euler",
        do_not_save_samples=True, do_not_save_grid=True,
    )  # fmt: skip
    with closing(p):
        assert "TI:" not in processing.process_images(p).infotexts[0]


def test_what_extensions_put_into_the_last_picture_is_not_in_training(app: App, sd_model: Any) -> None:
    """As ControlNet and FreeU do, whose pictures leave a changed UNet behind."""

    def predicted() -> torch.Tensor:
        vectors = {e.name: app.host.token_vectors([320, 736], e.name) for e in app.host.model().encoders}
        with app.host.training_session(SessionRequest(NAME, ROWS)) as session, torch.no_grad():
            assert session.preview(ImageRequest(f"a {NAME}", steps=1), {NAME: vectors}) is not None
            conditioning = session.encode_prompts([f"a {NAME}"], {NAME: vectors}, [SIZE])
            return session.predict(torch.ones(1, 4, 8, 8), torch.tensor([500]), conditioning)

    def refuse(*args: Any, **options: Any) -> None:
        raise ZeroDivisionError

    plain, kept = predicted(), sd_model.forge_objects
    changed = kept.shallow_copy()
    changed.unet = kept.unet.clone()
    changed.unet.set_model_unet_function_wrapper(refuse)
    changed.unet.set_model_attn1_patch(refuse)
    sd_model.forge_objects = changed
    try:
        assert torch.equal(predicted(), plain)
        assert sd_model.forge_objects is changed
    finally:
        sd_model.forge_objects = kept


@pytest.mark.parametrize("attention", ["attention_basic", "attention_sub_quad", "attention_split", "attention_pytorch"])
def test_gradient_is_right_under_each_attention(
    app: App, sd_model: Any, attention: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    from backend import attention as attentions
    from backend.nn import unet

    if not hasattr(attentions, attention):
        pytest.skip("this Forge has none of that name")
    monkeypatch.setattr(unet, "attention_function", getattr(attentions, attention))
    with app.host.training_session(SessionRequest(NAME, ROWS)) as session:
        validate_gradient(app, session, f"a photo of a {NAME}")


def test_no_weight_is_an_inference_tensor_while_training_also_after_a_preview(app: App, sd_model: Any) -> None:
    vectors = {e.name: app.host.token_vectors([320, 736], e.name) for e in app.host.model().encoders}
    with app.host.training_session(SessionRequest(NAME, ROWS)) as session:
        for _ in range(2):
            tensors = [t for root in networks_of(sd_model) for t in (*root.parameters(), *root.buffers())]
            assert not any(tensor.is_inference() for tensor in tensors)
            session.preview(ImageRequest(f"a {NAME}", steps=1), {NAME: vectors})
    hooks = [part._forward_pre_hooks for root in networks_of(sd_model) for part in root.modules()]
    assert not any(hooks)


@pytest.mark.parametrize("storage", [torch.float8_e4m3fn, torch.float16], indirect=True, ids=["fp8", "fp16"])
def test_gradient_is_right_through_weights_kept_in_few_bits(app: App, storage: torch.dtype) -> None:
    with app.host.training_session(SessionRequest(NAME, ROWS)) as session:
        validate_gradient(app, session, f"a photo of a {NAME}")


@pytest.mark.parametrize("storage", [torch.float8_e4m3fn], indirect=True, ids=["fp8"])
def test_gradient_is_right_through_loras_that_are_merged_at_each_use(
    app: App, storage: torch.dtype, lora: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As Diffusion in Low Bits has it with "fp16 LoRA"."""
    from backend.args import dynamic_args

    online = partial(monkeypatch.setitem if isinstance(dynamic_args, dict) else monkeypatch.setattr, dynamic_args)
    online("online_lora", True)
    with app.host.training_session(SessionRequest(NAME, ROWS, networks=lora)) as session:
        validate_gradient(app, session, f"a photo of a {NAME}")


def test_packed_weights_are_refused_by_name(app: App, sd_model: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sd_model.forge_objects.unet.model, "storage_dtype", "nf4")
    with pytest.raises(UnsupportedModel, match="nf4"), app.host.training_session(SessionRequest(NAME, ROWS)):
        pass


def test_no_embedding_of_ours_is_renamed_as_corrupted(
    app: App, sd_model: Any, paint: Callable[..., np.ndarray]
) -> None:
    folder = app.host.embeddings_folder()
    forms = ("safetensors",) if len(app.model().encoders) == 2 else ("safetensors", "pt")
    made = [app.create(CreateConfig(f"qrst{form}", init="red star", vectors=2, format=form)) for form in forms]
    spelled = paint("a photo of red star")
    try:
        for one in made:
            assert np.array_equal(paint(f"a photo of {one.name}"), spelled)
        assert not list(folder.glob("*.corrupted"))
    finally:
        for one in made:
            one.path.unlink()
        app.host.refresh_embeddings()
