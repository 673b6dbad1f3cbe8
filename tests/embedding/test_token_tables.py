"""A user would lose: the knowledge whether two models read words alike, which a file made on one of them keeps."""

from dataclasses import replace
from pathlib import Path

from lib_ti.app import App
from lib_ti.config.embeddings import CreateConfig, MergeConfig
from lib_ti.embedding.token_tables import hash_token_tables
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
    one, two = hash_token_tables(host), hash_token_tables(other)
    assert one["clip_l"] == two["clip_l"]
    assert one["clip_g"] != two["clip_g"]


def test_another_model_in_the_same_host_is_read_anew(tmp_path: Path) -> None:
    host = Renamed(tmp_path)
    before = hash_token_tables(host)
    host.tables = {name: table.flip(0) for name, table in host.tables.items()}
    assert hash_token_tables(host) == before, "read once for each model"
    host.named = "another"
    assert hash_token_tables(host) != before


def test_what_is_merged_and_created_keeps_it(tmp_path: Path) -> None:
    app = App(ToyHost(tmp_path, "sdxl"))
    (merged,) = app.merge(MergeConfig("'red'", "merged"))
    created = app.create(CreateConfig("created", init="red"))
    for made in (merged, created):
        assert load_header(made.path).token_tables == hash_token_tables(app.host)
