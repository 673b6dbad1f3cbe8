"""What Merge, Inspect and Library do, on a real (small) host: a refusal stands beside its field, a result can be read."""

import os
from pathlib import Path
from typing import Any

import pytest

from lib_ti.app import App
from lib_ti.config.embeddings import GROUPINGS, SOURCES
from lib_ti.errors import HostError, InvalidText
from lib_ti.ui.actions.embeddings import EmbeddingActions
from lib_ti.ui.html import figures
from lib_ti.ui.panels.inspect import SOURCE_FIELDS
from tests.toy_host import ToyHost

RED = {"expression": "'red'*0.5 + 'round'", "name": "red"}


@pytest.fixture(params=["sd1", "sdxl"])
def family(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def actions(tmp_path: Path, family: str) -> EmbeddingActions:
    return EmbeddingActions(App(ToyHost(tmp_path, family)))


@pytest.fixture
def one(tmp_path: Path) -> EmbeddingActions:
    return EmbeddingActions(App(ToyHost(tmp_path)))


def seen(actions: EmbeddingActions, **values: str) -> str:
    outcome = actions.inspect(values)
    assert outcome.good, outcome
    return outcome.html


def test_while_typing_rows_advice_or_a_caret_are_shown(one: EmbeddingActions):
    assert one.check("  ") == type(one.check(""))()
    assert "2 vectors" in one.check("'red round'").html
    assert "ti_lab_warning" in one.check("'red'*0.5:80").html
    (fault,) = one.check("'red'*").faults
    message, text, caret, *_ = fault.message.splitlines()
    assert fault.where == "expression"
    assert message
    assert (text, caret) == ("  'red'*", "        ^")


def test_a_caret_stands_under_its_character_in_a_long_text_too():
    for start in (0, 5, 100, 199, 200):
        text = "x" * start + "?" + "y" * (200 - start)
        shown, caret = figures.caret(InvalidText("no", text, start, min(start + 50, 201))).splitlines()[1:3]
        assert shown[caret.index("^")] == "?"
        assert len(shown) < 60


def test_a_merge_is_saved_and_shown_and_its_name_handed_on(actions: EmbeddingActions, tmp_path: Path, family: str):
    merged = actions.merge(RED)
    assert merged.good
    assert merged.name == "red"
    assert str(tmp_path / "embeddings" / "red.safetensors") in merged.html
    assert merged.html.count("<table>") == (1 if family == "sd1" else 2)
    assert merged.html.count("data:image/png") == 2, "one for a light and one for a dark page"
    second = actions.merge(RED)
    assert not second.good
    assert "exists already" in second.html


def test_a_merge_that_cannot_be_is_reported_beside_its_field(one: EmbeddingActions):
    assert [fault.where for fault in one.merge({**RED, "expression": "'red"}).faults] == ["expression"]
    assert [fault.where for fault in one.merge({**RED, "name": ""}).faults] == ["name"]
    assert [fault.where for fault in one.preview({}).faults] == ["expression"]
    assert [fault.where for fault in one.preview({"expression": "red"}).faults] == ["expression"], "no plain text"
    assert [fault.where for fault in one.merge({**RED, "arc_to": "'red"}).faults] == ["arc_to"]


def test_what_is_over_75_vectors_is_refused_or_split(one: EmbeddingActions, tmp_path: Path):
    long = {"expression": "'red':80", "name": "long"}
    assert "80 vectors" in one.merge(long).html
    split = one.merge({**long, "over": "split"})
    assert split.name == "long-1"
    assert sorted(path.name for path in tmp_path.rglob("*.safetensors")) == ["long-1.safetensors", "long-2.safetensors"]


EDITS: list[dict[str, Any]] = [
    {},
    {"arc_to": "'blue'", "share": 0.25},
    {"drop_zeros": True},
    {"collapse": True},
    {"length": -1.0},
    {"over": "crop"},
    {"over": "split"},
]


@pytest.mark.parametrize("edits", EDITS)
def test_a_preview_shows_exactly_what_would_be_saved_and_saves_nothing(
    one: EmbeddingActions, tmp_path: Path, edits: dict[str, Any]
):
    values = {"expression": "'red round':74,'green','blue'", "name": "x", "over": "crop", **edits}
    preview = one.preview(values)
    assert list(tmp_path.rglob("*.safetensors")) == []
    saved = one.merge(values)
    assert preview.good
    assert saved.good, saved
    tables = [
        outcome.html[outcome.html.index('<section class="ti_lab_card ti_lab_seen') :] for outcome in (preview, saved)
    ]
    assert tables[0] == tables[1]
    assert tables[0].count("ti_lab_seen") == (2 if edits == {"over": "split"} else 1), "every part"
    assert "green" in tables[0], "how it is made"


def test_a_preview_needs_no_name_and_refuses_no_length(one: EmbeddingActions):
    assert "80 vectors" in one.preview({"expression": "'red':80"}).html
    assert "below the least" in one.preview({"expression": "'red'", "length": -2}).faults[0].message


def test_what_is_not_saved_yet_is_explained_with_its_edits(one: EmbeddingActions, tmp_path: Path):
    html = one.explain({"expression": "'red','red':1", "collapse": True, "length": 5.0}).html
    assert html.count("<pre>") == 1
    assert one.explain({"expression": "'red':80", "over": "split"}).html.count("<pre>") == 2
    assert [fault.where for fault in one.explain({"expression": "'red'*"}).faults] == ["expression"]
    assert list(tmp_path.rglob("*.safetensors")) == []


def test_the_second_expression_is_checked_while_typed_too(one: EmbeddingActions):
    assert [fault.where for fault in one.check("'red'", "'blue'*").faults] == ["arc_to"]
    assert "1 vector" in one.check("'red'", "'blue'").html
    assert [fault.where for fault in one.check("'red'+", "'blue'*").faults] == ["expression", "arc_to"]


def test_files_texts_and_expressions_can_be_inspected(actions: EmbeddingActions, tmp_path: Path):
    actions.merge(RED)
    assert actions.files() == ["red.safetensors"]
    for file in ("red.safetensors", str(tmp_path / "embeddings" / "red.safetensors")):
        assert "1 vector" in seen(actions, source="embedding", file=file)
    assert "on average" in seen(actions, source="typed", typed="red round thing")
    assert "2 vectors" in seen(actions, source="typed", typed="'red round'*0.5")
    assert seen(actions, source="typed", typed="red, round", by="none").count("<tr>") < seen(
        actions, source="typed", typed="red, round"
    ).count("<tr>")
    assert [fault.where for fault in actions.inspect({}).faults] == ["file"]
    assert "gone.pt" in actions.inspect({"file": "gone.pt"}).html


def test_a_vector_that_drowns_the_others_is_marked(one: EmbeddingActions):
    assert "ti_lab_too_long" in seen(one, source="typed", typed="'red'*90")
    assert "ti_lab_too_long" not in seen(one, source="typed", typed="'red'")


def test_two_can_be_compared_and_one_with_its_text(one: EmbeddingActions):
    one.merge({"expression": "'red'*2", "name": "red"})
    html = seen(one, file="red.safetensors", other="'red'", same_as="red")
    assert "Compared with &#x27;red&#x27;" in html
    assert "1.0000" in html
    assert "does not read it the same" in html


def test_an_embedding_is_explained_by_tokens_that_merge_to_it_again(actions: EmbeddingActions):
    actions.merge({"expression": "'red'*0.5 - 'round'*2", "name": "mix"})
    found = actions.decompose({"file": "mix.safetensors"})
    assert found.good
    assert actions.merge({"expression": found.expression, "name": "again"}).good
    compared = actions.app.compare(actions.app.embeddings_folder() / "mix.safetensors", "'again'")
    assert all(pair.distance < 1e-3 for pairs in compared.values() for pair in pairs)
    assert [fault.where for fault in actions.decompose({"source": "typed"}).faults] == ["typed"]


def test_figures_are_shown_where_pictures_cannot_be_drawn(one: EmbeddingActions, monkeypatch: pytest.MonkeyPatch):
    def fail(*_: object) -> bytes:
        raise HostError("Pictures need matplotlib.")

    monkeypatch.setattr(one.app, "draw_heatmap", fail)
    html = seen(one, source="typed", typed="red")
    assert "<table>" in html
    assert "Pictures need matplotlib." in html


def test_the_library_lists_marks_and_filters(one: EmbeddingActions, tmp_path: Path):
    assert str(tmp_path) in one.library("")
    one.merge({**RED, "name": "a&b"})
    EmbeddingActions(App(ToyHost(tmp_path, "sdxl"))).merge({**RED, "name": "large"})
    (tmp_path / "embeddings" / "broken.pt").write_bytes(b"<no>")
    html = one.library("")
    assert "a&amp;b" in html
    assert "cannot be read" in html
    assert html.count("other family") == 1
    assert 'data-embedding="large.safetensors"' in one.library("larg")
    assert "a&amp;b" not in one.library("larg")
    assert "None of 3" in one.library("nothing like it")


def test_every_kind_of_source_has_its_field():
    assert tuple(SOURCE_FIELDS) == SOURCES


@pytest.mark.parametrize("by", GROUPINGS)
def test_every_grouping_that_is_offered_has_its_table(one: EmbeddingActions, by: str):
    assert one.inspect({"source": "typed", "typed": "red, round", "by": by}).good


def test_a_file_whose_name_is_no_text_does_not_take_the_library_with_it(one: EmbeddingActions, tmp_path: Path):
    assert one.merge(RED).good
    folder = tmp_path / "embeddings"
    (folder / "red.safetensors").replace(os.fsdecode(os.fsencode(folder) + b"/red\xff.safetensors"))
    assert "red?" in one.library("").encode().decode()
    assert one.files() == [], "it cannot be named"
