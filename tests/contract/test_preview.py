"""Pictures during and outside of training."""

import random

import numpy as np
import pytest
import torch
from PIL import Image

from lib_ti.embedding.embedding import Embedding
from lib_ti.errors import HostError
from lib_ti.formats.files import save_embedding
from lib_ti.host import Host, ImageRequest, TrainingSession
from tests.contract.conftest import NAME, HostUnderTest


def test_one_seed_one_picture(under_test: HostUnderTest, session: TrainingSession) -> None:
    vectors = under_test.vectors()
    first, again = (_pixels(session.preview(under_test.request(seed=3), vectors)) for _ in range(2))
    other = _pixels(session.preview(under_test.request(seed=4), vectors))
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)


def test_a_preview_shows_the_vectors_it_is_given(under_test: HostUnderTest, session: TrainingSession) -> None:
    red = _pixels(session.preview(under_test.request(), under_test.vectors("red star")))
    blue = _pixels(session.preview(under_test.request(), under_test.vectors("blue circle")))
    assert not np.array_equal(red, blue)


def test_a_preview_leaves_no_trace_in_the_run(under_test: HostUnderTest, session: TrainingSession) -> None:
    def prediction() -> torch.Tensor:
        conditioning = session.encode_prompts([f"a {NAME}"], under_test.vectors(), [under_test.size()])
        return session.predict(under_test.latents(1), torch.tensor([400]), conditioning).detach()

    before, python, numpy, torch_state = prediction(), random.getstate(), np.random.get_state(), torch.get_rng_state()
    session.preview(ImageRequest(f"a {NAME}", sampler=under_test.host.samplers()[-1], steps=2), under_test.vectors())
    assert torch.equal(torch.get_rng_state(), torch_state)
    assert random.getstate() == python
    assert all(np.array_equal(a, b) for a, b in zip(np.random.get_state(), numpy, strict=True))
    assert torch.equal(prediction(), before)
    assert torch.is_grad_enabled()


@pytest.mark.parametrize("change", [{"negative": "red"}, {"cfg": 1.0}, {"steps": 5}, {"prompt": "a cat"}])
def test_settings_of_a_picture_count(
    under_test: HostUnderTest, session: TrainingSession, change: dict[str, object]
) -> None:
    plain = {"prompt": f"a {NAME}", "steps": 4, "seed": 3}
    first = session.preview(ImageRequest(**plain), under_test.vectors())  # type: ignore[arg-type]
    second = session.preview(ImageRequest(**{**plain, **change}), under_test.vectors())  # type: ignore[arg-type]
    assert not np.array_equal(_pixels(first), _pixels(second))


def test_pictures_have_the_size_asked_for(under_test: HostUnderTest, session: TrainingSession) -> None:
    model = under_test.host.model()
    side = model.native_size
    wide = ImageRequest("a cat", steps=1, width=2 * side, height=side)
    assert session.preview(wide, under_test.vectors()).size == (2 * side, side)
    assert session.preview(under_test.request(steps=1), under_test.vectors()).size == (side, side)


def test_every_sampler_paints(under_test: HostUnderTest, session: TrainingSession) -> None:
    for sampler in under_test.host.samplers():
        if sampler.endswith(" RF"):
            continue  # for models of rectified flow, which none of ours is
        image = session.preview(ImageRequest(f"a {NAME}", steps=3, sampler=sampler), under_test.vectors())
        assert np.isfinite(_pixels(image)).all()
        assert _pixels(image).std() > 0, sampler


def test_an_unknown_sampler_is_named(under_test: HostUnderTest, session: TrainingSession) -> None:
    with pytest.raises(HostError, match="DPM\\+\\+ 3Q"):
        session.preview(ImageRequest("a cat", sampler="DPM++ 3Q"), under_test.vectors())


def test_generate_knows_the_embeddings_of_the_folder(under_test: HostUnderTest, host: Host) -> None:
    request = under_test.request("a photo of a qrst")
    without = _pixels(host.generate(request))
    path = host.embeddings_folder() / "qrst.safetensors"
    try:
        for words in ("red star", "blue circle"):  # the second replaces the first: nothing old may be remembered
            save_embedding(Embedding("qrst", under_test.vectors(words)[NAME]), path, overwrite=True)
            host.refresh_embeddings()
            spelled = _pixels(host.generate(under_test.request(f"a photo of a {words}")))
            assert np.abs(_pixels(host.generate(request)) - spelled).max() <= 1
    finally:
        path.unlink()
        host.refresh_embeddings()
    assert np.array_equal(_pixels(host.generate(request)), without)


def _pixels(image: Image.Image) -> np.ndarray:
    return np.asarray(image, dtype=np.int16)
