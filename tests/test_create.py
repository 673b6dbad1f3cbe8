"""A new embedding must start where the user said, on every model, and take nobody's file."""

from pathlib import Path
from typing import Any

import pytest
import torch

from lib_ti.adapters.standalone import tokenizer
from lib_ti.config.embeddings import CreateConfig
from lib_ti.create import create_embedding, initial_vectors, new_embedding_path, spread
from lib_ti.embedding.embedding import Embedding
from lib_ti.errors import EmbeddingExists, InvalidConfig, InvalidEmbedding
from lib_ti.formats.files import load_embedding, save_embedding
from tests.toy_host import ToyHost


class ClipHost(ToyHost):
    """With CLIP's real vocabulary over small tables."""

    def __init__(self, folder: Path, family: str) -> None:
        super().__init__(folder, family)
        chance = torch.Generator().manual_seed(1)
        self.tables = {name: torch.randn(49408, width, generator=chance) for name, width in self.widths.items()}

    def tokenize(self, text: str) -> list[int]:
        return tokenizer.tokenize(text)

    def token_text(self, token_id: int) -> str:
        return tokenizer.token_text(token_id)


@pytest.fixture(params=["sd1", "sdxl"])
def host(request: pytest.FixtureRequest, tmp_path: Path) -> ClipHost:
    return ClipHost(tmp_path, request.param)


def create(host: ClipHost, **values: Any) -> Embedding:
    return create_embedding(host, CreateConfig(name="new", **values))


@pytest.mark.parametrize(
    ("tokens", "rows", "taken"),
    [
        (1, 3, [0, 0, 0]),
        (2, 2, [0, 1]),
        (2, 5, [0, 0, 0, 1, 1]),
        (3, 7, [0, 0, 0, 1, 1, 2, 2]),
        (4, 2, [0, 2]),
        (5, 3, [0, 1, 3]),
    ],
)
def test_tokens_are_spread_as_a1111_spreads_them(tokens: int, rows: int, taken: list[int]) -> None:
    assert spread(list(range(tokens)), rows) == taken
    assert taken == [i * tokens // rows for i in range(rows)]


def test_words_become_the_token_rows_of_every_encoder(host: ClipHost) -> None:
    made = create(host, init="red cat", vectors=3)
    red, cat = tokenizer.tokenize("red cat")
    for encoder, table in host.tables.items():
        assert torch.equal(made.vectors[encoder], table[[red, red, cat]])
    assert list(made.vectors) == list(host.tables)
    assert (made.family, made.model_name, made.model_hash, made.step) == (host.family, "toy", "0123456789", 0)
    assert made.recipe == {"source": "text", "vectors": 3, "init": "red cat", "tokens": [red, red, cat]}
    start = initial_vectors(host, "red cat", 3)
    assert all(torch.equal(start[encoder], made.vectors[encoder]) for encoder in start)


def test_the_default_is_the_star_of_a1111(host: ClipHost) -> None:
    assert torch.equal(create(host).vectors["clip_l"], host.tables["clip_l"][[265]])


def test_more_tokens_than_vectors_are_told(host: ClipHost) -> None:
    made = create(host, init="oil painting of red cats", vectors=2)
    assert made.notes == ("The text has 5 tokens for 2 vectors; left out: painting red cats.",)
    assert not create(host, init="red cat", vectors=2).notes


@pytest.mark.parametrize("text", ["", "   "])
def test_an_empty_text_is_a_fault_of_its_field(host: ClipHost, text: str) -> None:
    with pytest.raises(InvalidConfig) as caught:
        create(host, init=text)
    assert [fault.where for fault in caught.value.faults] == ["init"]
    with pytest.raises(InvalidConfig) as caught:
        initial_vectors(host, text, 1, "embedding.init")
    assert [fault.where for fault in caught.value.faults] == ["embedding.init"]


def test_from_another_embedding(host: ClipHost, tmp_path: Path) -> None:
    path = tmp_path / "source.safetensors"
    source = create(host, init="red cat sits here", vectors=4)
    save_embedding(source, path)
    for rows, taken in ((4, [0, 1, 2, 3]), (6, [0, 0, 1, 2, 2, 3]), (2, [0, 2])):
        made = create(host, source="embedding", file=str(path), vectors=rows)
        for encoder in host.tables:
            assert torch.equal(made.vectors[encoder], source.vectors[encoder][taken])
        assert made.recipe["rows"] == taken
        assert made.name == "new"
    assert "4 vectors; taken: 1, 3" in made.notes[0]


def test_from_an_embedding_of_another_model(tmp_path: Path) -> None:
    path = tmp_path / "source.safetensors"
    save_embedding(create(ClipHost(tmp_path, "sd1"), init="cat"), path)
    with pytest.raises(InvalidEmbedding, match="SD1"):
        create(ClipHost(tmp_path, "sdxl"), source="embedding", file=str(path))


def test_a_missing_file_to_start_from(host: ClipHost, tmp_path: Path) -> None:
    with pytest.raises(InvalidConfig):
        create(host, source="embedding")
    with pytest.raises(InvalidEmbedding, match="cannot be read"):
        create(host, source="embedding", file=str(tmp_path / "none.pt"))


def test_zeros(host: ClipHost) -> None:
    made = create(host, source="zeros", vectors=5)
    assert all(not tensor.any() and tensor.shape == (5, host.widths[key]) for key, tensor in made.vectors.items())


def test_random_vectors_are_as_long_as_words_and_follow_their_seed_alone(host: ClipHost) -> None:
    torch.manual_seed(1)
    made = create(host, source="random", vectors=4, seed=7)
    state = torch.get_rng_state()
    torch.manual_seed(2)
    again, other = create(host, source="random", vectors=4, seed=7), create(host, source="random", vectors=4, seed=8)
    torch.manual_seed(1)
    assert torch.equal(torch.get_rng_state(), state)
    for encoder, table in host.tables.items():
        mean = table.norm(dim=1).mean()
        assert torch.allclose(made.vectors[encoder].norm(dim=1), mean.expand(4))
        assert torch.equal(made.vectors[encoder], again.vectors[encoder])
        assert not torch.equal(made.vectors[encoder], other.vectors[encoder])


def test_a_host_that_changes_its_table_does_not_change_the_embedding(host: ClipHost) -> None:
    made = create(host, init="cat")
    before = made.vectors["clip_l"].clone()
    host.tables["clip_l"].zero_()
    assert torch.equal(made.vectors["clip_l"], before)


def test_where_it_goes(tmp_path: Path) -> None:
    host = ClipHost(tmp_path, "sd1")
    config = CreateConfig(name="cat-7")
    path = new_embedding_path(tmp_path, config, host)
    assert path == tmp_path / "cat-7.safetensors"
    save_embedding(create(host), path)
    with pytest.raises(EmbeddingExists):
        new_embedding_path(tmp_path, config, host)
    assert new_embedding_path(tmp_path, CreateConfig(name="cat-7", overwrite=True), host) == path
    assert new_embedding_path(tmp_path, CreateConfig(name="cat-7", format="pt"), host).suffix == ".pt"
    assert load_embedding(path).rows == 1


def test_faults_of_name_and_form_stand_at_their_fields(tmp_path: Path) -> None:
    for values, field in (({"name": "a/b"}, "name"), ({"name": "a", "format": "pt"}, "format")):
        with pytest.raises(InvalidConfig) as caught:
            new_embedding_path(tmp_path, CreateConfig(**values), ClipHost(tmp_path, "sdxl"))  # type: ignore[arg-type]
        assert [fault.where for fault in caught.value.faults] == [field]
