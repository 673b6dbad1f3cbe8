"""The placeholder among the WebUI's own embeddings."""

from collections.abc import Iterator
from typing import Any

import pytest
import torch

from lib_ti.app import App
from lib_ti.config.embeddings import CreateConfig
from lib_ti.host import PictureSize, SessionRequest
from tests.adapters.webui.conftest import NAME, ROWS


@pytest.fixture
def embedding_of_that_name(app: App) -> Iterator[None]:
    path = app.create(CreateConfig(NAME, init="dog")).path
    yield
    path.unlink()
    app.host.refresh_embeddings()


def test_a_loaded_embedding_of_that_name_steps_aside_and_comes_back(
    app: App, sd_model: Any, embedding_of_that_name: None
) -> None:
    tokens = app.host.tokenize(NAME)
    vectors = {encoder.name: torch.zeros(ROWS, encoder.width) for encoder in app.model().encoders}
    databases = app.host._databases(sd_model)
    loaded = [database.word_embeddings[NAME] for database in databases]
    with app.host._placeholder(sd_model, NAME, ROWS, vectors) as ours:
        assert all(database.find_embedding_at_position(tokens, 0)[0] is ours for database in databases)
    for database, before in zip(databases, loaded, strict=True):
        assert database.find_embedding_at_position(tokens, 0)[0] is before
        assert database.word_embeddings[NAME] is before


def test_rows_left_behind_by_a_moved_comma_are_not_counted(app: App) -> None:
    """The WebUI moves the words after a late comma to the next 75 tokens, but not an embedding among them."""
    with app.host.training_session(SessionRequest(NAME, ROWS)) as session:
        assert session.placeholder_rows("word " * 70 + f", {NAME}") == {NAME: ROWS}
        assert session.placeholder_rows("word " * 70 + f", {NAME} word word word") == {NAME: 0}


def test_a_list_of_embeddings_read_anew_in_mid_step_costs_no_gradient(
    app: App, monkeypatch: pytest.MonkeyPatch
) -> None:
    vectors = {
        NAME: {e.name: app.host.token_vectors([736, 2368], e.name).requires_grad_() for e in app.model().encoders}
    }
    with app.host.training_session(SessionRequest(NAME, ROWS)) as session:
        encode = session._encode

        def encode_after_a_refresh(*args: Any) -> Any:
            monkeypatch.setattr(session, "_encode", encode)
            app.host._read_embeddings()
            return encode(*args)

        monkeypatch.setattr(session, "_encode", encode_after_a_refresh)
        conditioning = session.encode_prompts([f"a {NAME}"], vectors, [PictureSize(64, 64, 0, 0, 64, 64)])
        assert conditioning.tensors["crossattn"].requires_grad
