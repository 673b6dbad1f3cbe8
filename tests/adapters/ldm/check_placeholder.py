"""The placeholder among the WebUI's own embeddings."""

from typing import Any

import pytest
import torch

from lib_ti.adapters.ldm.placeholder import placeholder
from lib_ti.app import App
from lib_ti.host import SessionRequest
from tests.adapters.ldm.conftest import NAME, ROWS


@pytest.fixture
def embedding_of_that_name(app: App) -> Any:
    from modules.sd_hijack import model_hijack

    path = app.create({"name": NAME, "vectors": 1, "init": "dog"}).path
    yield model_hijack.embedding_db.word_embeddings[NAME]
    path.unlink()
    app.host.refresh_embeddings()


def test_a_loaded_embedding_of_that_name_steps_aside_and_comes_back(
    app: App, sd_model: Any, embedding_of_that_name: Any
) -> None:
    from modules.sd_hijack import model_hijack

    database = model_hijack.embedding_db
    ids = database.ids_lookup
    tokens = app.host.tokenize(NAME)
    with placeholder(sd_model, NAME, ROWS, {"clip_l": torch.zeros(ROWS, 768)}) as ours:
        assert database.find_embedding_at_position(tokens, 0)[0] is ours
    assert database.find_embedding_at_position(tokens, 0)[0] is embedding_of_that_name
    assert database.word_embeddings[NAME] is embedding_of_that_name
    assert database.ids_lookup is ids


def test_rows_left_behind_by_a_moved_comma_are_not_counted(app: App) -> None:
    """The WebUI moves the words after a late comma to the next 75 tokens, but not an embedding among them."""
    with app.host.training_session(SessionRequest(NAME, ROWS)) as session:
        assert session.placeholder_rows("word " * 70 + f", {NAME}") == ROWS
        assert session.placeholder_rows("word " * 70 + f", {NAME} word word word") == 0
