"""A user would lose: older files, or half of a split embedding, when a merge is saved."""

from pathlib import Path
from typing import Any

import pytest
import torch

from lib_ti.config.embeddings import MergeConfig
from lib_ti.config.options import build_config
from lib_ti.errors import EmbeddingExists, InvalidConfig, InvalidEmbedding, InvalidText, TIError
from lib_ti.formats.files import load_embedding
from lib_ti.merge.build import save_merge
from lib_ti.merge.vectors import clip_g_of
from tests.merge.text_model import SmallTextModel


def save(folder: Path, host: SmallTextModel | None = None, **values: Any) -> list[Path]:
    config = build_config(MergeConfig, {"expression": "'cat'*0.5+'dog'", "name": "mix", **values})
    return [made.path for made in save_merge(host or SmallTextModel(), config, folder, {})]


@pytest.mark.parametrize("family", ["sd1", "sd2", "sdxl"])
def test_the_file_holds_the_sums_and_the_recipe(tmp_path: Path, family: str) -> None:
    host = SmallTextModel(family)  # type: ignore[arg-type]
    (path,) = save(tmp_path, host)
    assert path == tmp_path / "mix.safetensors"
    made = load_embedding(path)
    cat, dog = host.tokenize("cat dog")
    for encoder, table in host.tables.items():
        assert torch.equal(made.vectors[encoder], (table[cat] * 0.5 + table[dog])[None])
    assert made.recipe == {"source": "expression", "expression": "'cat'*0.5+'dog'"}
    assert (made.family, made.model_name, made.step) == (family, "small", 0)


def test_more_than_a_prompt_takes_is_refused_cropped_or_split(tmp_path: Path) -> None:
    with pytest.raises(InvalidEmbedding, match="160"):
        save(tmp_path, expression="'x':160")
    assert not list(tmp_path.iterdir())
    (path,) = save(tmp_path, expression="'x':160", over="crop")
    assert load_embedding(path).rows == 75
    paths = save(tmp_path, expression="'x':160", over="split")
    assert [(path.stem, load_embedding(path).rows) for path in paths] == [("mix-1", 75), ("mix-2", 75), ("mix-3", 10)]


def test_nothing_is_written_unless_all_can_be(tmp_path: Path) -> None:
    (tmp_path / "mix-2.safetensors").write_bytes(b"mine")
    with pytest.raises(EmbeddingExists, match="mix-2"):
        save(tmp_path, expression="'x':160", over="split")
    assert [path.name for path in tmp_path.iterdir()] == ["mix-2.safetensors"]
    assert len(save(tmp_path, expression="'x':160", over="split", overwrite=True)) == 3


@pytest.mark.parametrize(
    ("values", "error"),
    [
        ({"name": "a/b"}, InvalidConfig),
        ({"expression": "'cat'+"}, InvalidText),
        ({"expression": "'':0"}, InvalidText),
        ({"over": "perhaps"}, InvalidConfig),
        ({"expression": ""}, InvalidConfig),
    ],
)
def test_bad_settings_write_nothing(tmp_path: Path, values: dict[str, Any], error: type[TIError]) -> None:
    with pytest.raises(error):
        save(tmp_path, **values)
    assert not list(tmp_path.iterdir())


def test_sdxl_has_no_pt(tmp_path: Path) -> None:
    with pytest.raises(InvalidConfig, match="format"):
        save(tmp_path, SmallTextModel("sdxl"), format="pt")


def test_a_text_for_clip_g_has_a_row_for_each_vector() -> None:
    host = SmallTextModel("sdxl")
    cat, dog = host.tokenize("cat dog")
    assert torch.equal(clip_g_of("cat dog", 1, host, {}), host.tables["clip_g"][[cat]])
    three = clip_g_of("cat dog", 3, host, {})
    assert torch.equal(three[:2], host.tables["clip_g"][[cat, dog]])
    assert not three[2].any()


def test_a_text_for_clip_g_needs_sdxl() -> None:
    with pytest.raises(TIError, match="no clip_g"):
        clip_g_of("cat", 1, SmallTextModel("sd1"), {})


def test_edits_are_made_in_order_and_stand_in_the_recipe(tmp_path: Path) -> None:
    host = SmallTextModel("sdxl")
    (path,) = save(tmp_path, host, expression="'cat dog':4", drop_zeros=True, collapse=True, length=2.0)
    made = load_embedding(path)
    for encoder, table in host.tables.items():
        mean = table[host.tokenize("cat dog")].mean(0, keepdim=True)
        torch.testing.assert_close(made.vectors[encoder], mean / mean.norm() * 2)
    assert made.recipe["edits"] == {"drop_zeros": True, "collapse": True, "length": 2.0}


def test_length_minus_one_is_the_vocabularys_own(tmp_path: Path) -> None:
    host = SmallTextModel("sd1")
    (path,) = save(tmp_path, host, expression="'cat'*50", length=-1)
    mean = host.tables["clip_l"].norm(dim=1).mean().item()
    assert load_embedding(path).vectors["clip_l"].norm().item() == pytest.approx(mean, rel=1e-5)


def test_an_arc_ends_at_its_ends(tmp_path: Path) -> None:
    host = SmallTextModel("sd1")
    (path,) = save(tmp_path, host, expression="'cat'", arc_to="'dog'", share=1.0)
    torch.testing.assert_close(load_embedding(path).vectors["clip_l"], host.tables["clip_l"][host.tokenize("dog")])


def test_nothing_left_after_dropping_zeros_is_told(tmp_path: Path) -> None:
    with pytest.raises(InvalidConfig, match="every vector is zero"):
        save(tmp_path, expression="'cat'*0", drop_zeros=True)
    assert not list(tmp_path.iterdir())
