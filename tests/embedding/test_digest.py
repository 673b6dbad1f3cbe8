"""A user would lose: the knowledge whether two models read words alike, which a file made on one of them keeps."""

from dataclasses import replace
from pathlib import Path

import torch

from lib_ti.app import App
from lib_ti.config.embeddings import CreateConfig, MergeConfig
from lib_ti.embedding.digest import digest_token_tables, digest_vectors
from lib_ti.formats.files import load_header
from lib_ti.host import ModelInfo
from tests.toy_host import ToyHost


class Renamed(ToyHost):
    named = "toy"

    def model(self) -> ModelInfo:
        return replace(super().model(), name=self.named)


def test_the_same_vocabulary_has_the_same_hash_and_another_another(tmp_path: Path) -> None:
    host, other = ToyHost(tmp_path, "sdxl"), ToyHost(tmp_path, "sdxl")
    other.tables["clip_g"] = other.tables["clip_g"] * 1.01
    one, two = digest_token_tables(host), digest_token_tables(other)
    assert one["clip_l"] == two["clip_l"]
    assert one["clip_g"] != two["clip_g"]


def test_another_model_in_the_same_host_is_read_anew(tmp_path: Path) -> None:
    host = Renamed(tmp_path)
    before = digest_token_tables(host)
    host.tables = {name: table.flip(0) for name, table in host.tables.items()}
    assert digest_token_tables(host) == before, "read once for each model"
    host.named = "another"
    assert digest_token_tables(host) != before


def test_what_is_merged_and_created_keeps_it(tmp_path: Path) -> None:
    app = App(ToyHost(tmp_path, "sdxl"))
    (merged,) = app.merge(MergeConfig("'red'", "merged"))
    created = app.create(CreateConfig("created", init="red"))
    for made in (merged, created):
        assert load_header(made.path).token_tables == digest_token_tables(app.host)


VECTORS = {"clip_l": torch.arange(6.0).reshape(2, 3), "clip_g": torch.ones(2, 4)}


def test_digest_sees_values_and_encoders_not_storage() -> None:
    assert digest_vectors(VECTORS) == digest_vectors({name: VECTORS[name].clone() for name in reversed(VECTORS)})
    assert digest_vectors(VECTORS) != digest_vectors({**VECTORS, "clip_l": VECTORS["clip_l"] + 1e-6})
    assert digest_vectors({"clip_l": VECTORS["clip_l"]}) != digest_vectors({"clip_h": VECTORS["clip_l"]})


def test_the_digest_is_that_of_every_version() -> None:
    """A golden value: recipes in users' files hold it."""
    assert digest_vectors(VECTORS) == "f897767b7c03b40c"
