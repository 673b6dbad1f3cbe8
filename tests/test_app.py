"""A user would lose: what tab, command line and API all rest on."""

from pathlib import Path

import pytest
import torch

from lib_ti.adapters.detect import open_standalone
from lib_ti.app import App
from lib_ti.config.embeddings import ConvertConfig, CreateConfig, MergeConfig
from lib_ti.config.options import build_config
from lib_ti.config.train import TrainConfig
from lib_ti.errors import HostError, InvalidText
from lib_ti.formats.files import load_embedding
from lib_ti.library.listing import FolderEmbeddings
from tests.toy_host import ToyHost


@pytest.fixture
def app(tmp_path: Path) -> App:
    return App(ToyHost(tmp_path))


def merge(app: App, expression: str, name: str) -> Path:
    (result,) = app.merge(MergeConfig(expression, name))
    return result.path


def test_a_merge_is_saved_and_can_be_named_in_the_next(app: App) -> None:
    assert app.check_expression("'first thing'").rows == 2, "just two words"
    path = merge(app, "'red' + 'round'*0.5", "first")
    assert app.host.refreshed == 1  # type: ignore[attr-defined]
    assert app.check_expression("'first thing'").rows == 2
    second = load_embedding(merge(app, "'first':3", "second")).vectors["clip_l"]
    assert torch.equal(second[:1], load_embedding(path).vectors["clip_l"])
    assert app.check_expression("'second thing'").rows == 4
    assert [entry.recipe for entry in app.library()] == ["'red' + 'round'*0.5", "'first':3"]
    assert [entry.name for entry in app.library(typed="seco")] == ["second"]


def test_a_faulty_expression_is_told_without_raising(app: App) -> None:
    assert isinstance(app.check_expression("'a'+").error, InvalidText)


def test_a_file_a_text_and_an_expression_can_be_seen(app: App) -> None:
    path = merge(app, "'red round'", "first")
    for source in (path, "'first'", "first"):
        seen = app.inspect(source)
        assert torch.equal(seen.vectors["clip_l"], load_embedding(path).vectors["clip_l"])
        assert seen.tables[0].rows[0].nearest[0].cosine == pytest.approx(1)
    assert app.draw_heatmap(seen).startswith(b"\x89PNG")


def test_files_and_expressions_can_be_compared(app: App) -> None:
    path = merge(app, "'red'*2", "first")
    (pair,) = app.compare(path, "'red'")["clip_l"]
    assert pair.cosine == pytest.approx(1)
    assert pair.lengths[0] == pytest.approx(2 * pair.lengths[1])
    assert app.compare_with_text(path, "red").same is False
    assert app.compare_with_text("'red'", "red", "a [name] thing").same


def test_copies_of_runs_are_neither_listed_nor_named(app: App) -> None:
    path = merge(app, "'red'", "first")
    copy = app.host.log_folder() / "first-10.safetensors"
    copy.parent.mkdir(parents=True)
    copy.write_bytes(path.read_bytes())
    inside = App(app.host)
    inside.host.embeddings_folder = lambda: app.host.log_folder().parent  # type: ignore[method-assign]
    assert [entry.name for entry in inside.library()] == ["first"]


def test_sd1_files_become_sdxl_with_a_text_for_clip_g(tmp_path: Path) -> None:
    """The toy's narrow encoders stand for the real ones."""
    app = App(ToyHost(tmp_path, "sdxl"))
    save = App(ToyHost(tmp_path, "sd1"))
    path = merge(save, "'red round'", "first")
    done = app.convert([path], ConvertConfig(folder=str(tmp_path / "out"), family="sdxl", clip_g="green"))
    assert done.faults == ()
    made = load_embedding(done.written[0].target)
    assert torch.equal(made.vectors["clip_g"][0], app.host.token_vectors(app.host.tokenize("green"), "clip_g")[0])
    assert not made.vectors["clip_g"][1].any()
    assert made.recipe["recipe"]["expression"] == "'red round'"


def test_an_embedding_is_explained_as_an_expression_that_merges_to_the_same(tmp_path: Path) -> None:
    """On the real vocabulary: the toy host's tokens are no words that an expression could name."""
    app = App(open_standalone("demo", "cpu", "fp32", tmp_path, tmp_path / "logs"))
    path = merge(app, "'dog'+'cat'*0.5-'red'*0.25", "mix")
    found = app.decompose(path, 3)
    assert found.residuals["clip_l"] == pytest.approx([0.0], abs=1e-4)
    assert set(found.expression.replace("- ", "+ -").split(" + ")) == {"'dog'", "'cat'*0.5", "-'red'*0.25"}
    again = merge(app, found.expression, "again")
    torch.testing.assert_close(
        load_embedding(again).vectors["clip_l"], load_embedding(path).vectors["clip_l"], rtol=1e-3, atol=1e-4
    )


def test_expressions_read_in_another_thread_meanwhile_do_not_mix(app: App) -> None:
    merge(app, "'red'", "first")

    class Names(tuple[str, ...]):
        def __ne__(self, other: object) -> bool:
            app._known.dictionary(FolderEmbeddings([], app.model()))  # as another thread would, between look and use
            return tuple(self) != other

    known = app._known.by_name()
    app._known.dictionary(known)
    known.names = Names(known.names)
    assert app._known.dictionary(known).read("first") == ["first"]


class Stubborn(ToyHost):
    """Does not read its folder; `fault` is why."""

    fault: Exception = HostError("The list is locked.")

    def refresh_embeddings(self) -> None:
        raise self.fault


@pytest.mark.parametrize("fault", [HostError("The list is locked."), AttributeError("no such list")])
def test_why_a_run_ended_is_told_though_the_list_of_embeddings_cannot_be_read(tmp_path: Path, fault: Exception) -> None:
    app = App(Stubborn(tmp_path))
    app.host.fault = fault  # type: ignore[attr-defined]
    job = app.start_training(
        build_config(TrainConfig, {"embedding.name": "foo", "data.folder": str(tmp_path / "none")})
    )
    assert job.wait(60)
    assert job.snapshot.failure
    assert "none" in job.snapshot.failure.message
    assert job.snapshot.failure.expected
    assert str(fault) in str(job.snapshot.warnings)


@pytest.mark.parametrize("fault", [HostError("The list is locked."), AttributeError("no such list")])
def test_a_file_that_was_saved_is_named_though_the_list_of_embeddings_cannot_be_read(
    tmp_path: Path, fault: Exception
) -> None:
    app = App(Stubborn(tmp_path))
    app.host.fault = fault  # type: ignore[attr-defined]
    created = app.create(CreateConfig("star", init="red"))
    (merged,) = app.merge(MergeConfig("'red'", "ember"))
    assert created.path.is_file()
    assert merged.path.is_file()
    assert all(str(fault) in str(one.notes) for one in (created, merged))
