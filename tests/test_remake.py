"""A user would lose: a library of merges, with every new finetune; or an older file, to a result that is not the same."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from lib_ti.app import App
from lib_ti.config.embeddings import CreateConfig, MergeConfig, RemakeConfig
from lib_ti.embedding.embedding import Embedding
from lib_ti.formats.files import load_embedding, save_embedding
from lib_ti.host import ModelInfo
from tests.toy_host import ToyHost


class Finetune(ToyHost):
    """Another model of the same vocabulary: every token's vectors are others."""

    def __init__(self, folder: Path, family: str = "sd1") -> None:
        super().__init__(folder, family)
        self.tables = {name: table.flip(0) * 3 for name, table in self.tables.items()}

    def model(self) -> ModelInfo:
        return replace(super().model(), name="fine tune/v2", short_hash="ffffffffff")


@pytest.fixture
def app(tmp_path: Path) -> App:
    return App(ToyHost(tmp_path))


@pytest.fixture
def new(tmp_path: Path) -> App:
    return App(Finetune(tmp_path))


def merge(app: App, expression: str, name: str, **edits: Any) -> list[Path]:
    return [result.path for result in app.merge(MergeConfig(expression, name, **edits))]


def again(app: App, *paths: Path, **values: Any) -> dict[str, str]:
    """Faults, or what was noted, by name; "" for nothing at all."""
    done = list(app.remake(paths, RemakeConfig(**{"overwrite": True, **values})))
    return {one.path.stem: one.fault or " ".join(one.made.notes if one.made else ["?"]) for one in done}


def vectors(path: Path) -> torch.Tensor:
    return load_embedding(path).vectors["clip_l"]


EDITS: list[dict[str, Any]] = [
    {},
    {"arc_to": "'blue'", "share": 0.3},
    {"drop_zeros": True, "collapse": True},
    {"length": 2.0},
    {"length": -1.0},
    {"over": "crop"},
]


@pytest.mark.parametrize("edits", EDITS)
def test_it_is_what_the_same_merge_gives_on_the_new_model(app: App, new: App, edits: dict[str, Any]) -> None:
    (path,) = merge(app, "'red round'*0.5 + 'green'", "mix", **edits)
    before = vectors(path)
    assert again(new, path) == {"mix": ""}
    (wanted,) = merge(new, "'red round'*0.5 + 'green'", "wanted", **edits)
    assert torch.equal(vectors(path), vectors(wanted))
    assert not torch.equal(vectors(path), before)
    made = load_embedding(path)
    assert (made.model_name, made.model_hash) == ("fine tune/v2", "ffffffffff")
    assert made.recipe == load_embedding(wanted).recipe, "so that it can be made again once more"


def test_what_was_created_from_words_is_made_again(app: App, new: App) -> None:
    values = {"init": "red round", "vectors": 3}
    path = app.create(CreateConfig("words", **values)).path
    assert again(new, path) == {"words": ""}
    assert torch.equal(vectors(path), vectors(new.create(CreateConfig("wanted", **values)).path))


def test_each_part_of_a_split_stays_that_part(app: App, new: App) -> None:
    paths = merge(app, "'red':70,'green','blue','red'" + ",'round'" * 20, "long", over="split")
    wanted = merge(new, "'red':70,'green','blue','red'" + ",'round'" * 20, "wanted", over="split")
    assert len(paths) == len(wanted) == 2
    assert again(new, paths[1]) == {"long-2": ""}
    assert torch.equal(vectors(paths[1]), vectors(wanted[1]))


def test_it_goes_to_another_family_too(app: App, tmp_path: Path) -> None:
    (path,) = merge(app, "'red'*2", "mix", format="pt")
    xl = App(Finetune(tmp_path, "sdxl"))
    assert "mix.pt is still there" in again(xl, path, overwrite=False)["mix"]
    made = load_embedding(path.with_suffix(".safetensors"))
    assert made.family == "sdxl"
    assert torch.equal(made.vectors["clip_g"][0], xl.host.token_vectors(xl.host.tokenize("red"), "clip_g")[0] * 2)


def test_nothing_is_overwritten_unless_asked_and_a_name_can_be_chosen(app: App, new: App, tmp_path: Path) -> None:
    (path,) = merge(app, "'red'", "mix")
    before = path.read_bytes()
    assert "exists already" in again(new, path, overwrite=False)["mix"]
    assert again(new, path, overwrite=False, name="[name]-[model]") == {"mix": ""}
    assert (path.parent / "mix-fine-tune-v2.safetensors").is_file()
    assert again(new, path, overwrite=False, folder=str(tmp_path / "new")) == {"mix": ""}
    assert (tmp_path / "new" / "mix.safetensors").is_file()
    assert path.read_bytes() == before


def test_files_of_one_name_do_not_overwrite_each_others_new_form(app: App, new: App, tmp_path: Path) -> None:
    (path,) = merge(app, "'red'", "mix")
    (other,) = merge(app, "'blue'", "mix", folder=str(tmp_path / "other"))
    done = list(new.remake([path, other], RemakeConfig(overwrite=True, folder=str(tmp_path / "out"))))
    assert [one.made is not None for one in done] == [True, False]
    assert "exists already" in done[1].fault


def test_those_made_of_each_other_are_made_in_order(app: App, new: App) -> None:
    first = merge(app, "'red'", "zz")
    second = merge(app, "'zz'*2", "mm")
    third = merge(app, "'mm'+'zz'", "aa")
    assert again(new, *third, *second, *first) == {"aa": "", "mm": "", "zz": ""}
    red = new.host.token_vectors(new.host.tokenize("red"), "clip_l")
    torch.testing.assert_close(vectors(third[0]), red * 3)


def test_under_new_names_they_are_made_of_each_others_new_form_too(app: App, new: App) -> None:
    paths = [*merge(app, "'red'", "zz"), *merge(app, "'zz'*2", "aa")]
    again(new, *paths, name="[name]-2", overwrite=False)
    red = new.host.token_vectors(new.host.tokenize("red"), "clip_l")
    torch.testing.assert_close(vectors(paths[1].with_name("aa-2.safetensors")), red * 2)


def test_a_used_file_that_changed_is_told_and_one_that_is_gone_refused(app: App, new: App) -> None:
    (used,) = merge(app, "'red'", "used")
    (path,) = merge(app, "'used'*2", "mix")
    assert again(new, path, name="a") == {"mix": "The embedding 'used' in it was made on toy."}
    merge(new, "'blue'", "used", overwrite=True)
    assert again(new, path, name="b") == {"mix": "The embedding 'used' has changed since the file was made."}
    used.unlink()
    assert "made of the embedding 'used', which is gone" in again(new, path)["mix"], "not read as a word"


def test_a_newer_embedding_takes_over_no_word_of_an_older_expression(app: App, new: App) -> None:
    (path,) = merge(app, "'red'", "mix")
    merge(new, "'blue'*5", "red")
    assert again(new, path) == {"mix": ""}
    assert torch.equal(vectors(path), new.host.token_vectors(new.host.tokenize("red"), "clip_l"))


def test_what_was_made_of_its_own_older_file_is_refused(app: App, new: App) -> None:
    (path,) = merge(app, "'red'", "mix")
    merge(app, "'mix'*2", "mix", overwrite=True)
    assert "an older file of its own name" in again(new, path)["mix"]


RECIPES = [
    ({}, "does not say how it was made"),
    ({"training": {"embedding.init": "x"}, "start": {"source": "expression", "expression": "'x'"}}, "was trained"),
    ({"source": "embedding", "file": "x.pt"}, "vectors of another file"),
    ({"source": "conversion", "from": "SD1", "recipe": {"source": "text"}}, "was converted"),
    ({"source": "expression"}, "Expression is missing"),
    ({"source": "expression", "expression": ["'x'"]}, "cannot be followed: Expression: "),
    ({"source": "expression", "expression": "'x'+"}, "missing"),
    ({"source": "expression", "expression": "'x'", "edits": {"lenght": 2}}, "did you mean length?"),
    ({"source": "expression", "expression": "'x'", "edits": {"name": "/etc/x", "folder": "/etc"}}, ""),
    ({"source": "expression", "expression": "'x'", "edits": 5, "embeddings": 7}, ""),
    ({"source": "expression", "expression": "'x'", "part": "5 of 3"}, "part 5 of 3"),
    ({"source": "text", "vectors": 10**9, "init": "x"}, "followed: Number of vectors per token is 1"),
]


@pytest.mark.parametrize(("recipe", "told"), RECIPES)
def test_a_recipe_that_does_not_suffice_is_told_and_the_rest_goes_on(
    new: App, tmp_path: Path, recipe: dict[str, Any], told: str
) -> None:
    path = tmp_path / "embeddings" / "odd.safetensors"
    save_embedding(Embedding("odd", {"clip_l": torch.ones(1, 6)}, family="sd1", recipe=recipe), path)
    (good,) = merge(new, "'red'", "good")
    done = again(new, path, good, path.with_name("gone.pt"))
    assert told in done["odd"]
    assert bool(done["odd"]) == bool(told)
    assert done["good"] == ""
    assert "cannot be read" in done["gone"]
    assert sorted(file.name for file in path.parent.iterdir()) == ["good.safetensors", "odd.safetensors"]
    assert new.host.refreshed == 2  # type: ignore[attr-defined]  # once for the merge, once for all of them
