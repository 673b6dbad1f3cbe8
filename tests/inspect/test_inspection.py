"""A user would lose: seeing what a file, a text or an expression really holds."""

import json

import pytest
import torch

from lib_ti.embedding.embedding import Embedding
from lib_ti.errors import InvalidEmbedding, InvalidText
from lib_ti.expression.parser import parse_expression
from lib_ti.inspect.inspection import inspect_embedding, inspect_expression, inspect_text, inspect_typed
from lib_ti.merge.vectors import evaluate_expression
from tests.merge.text_model import SmallTextModel

HOST = SmallTextModel("sdxl")
MINE = {"my-cat": Embedding("my-cat", {key: torch.ones(2, width) for key, width in HOST.widths.items()}, family="sdxl")}


def test_a_text_shows_its_tokens_and_the_embeddings_in_it() -> None:
    seen = inspect_text("Photo of my-cat", HOST, MINE)
    photo, of = HOST.tokenize("photo of")
    assert [(line.text, line.tokens, line.vectors) for line in seen.lines] == [
        ("photo", (photo,), 1),
        ("of", (of,), 1),
        ("my-cat", (), 2),
    ]
    for encoder in HOST.widths:
        wanted = torch.cat([HOST.token_vectors([photo, of], encoder), MINE["my-cat"].vectors[encoder]])
        assert torch.equal(seen.vectors[encoder], wanted)


def test_an_expression_shows_its_result() -> None:
    text = "'photo of'*0.5 + 'my-cat'"
    seen = inspect_expression(text, HOST, MINE)
    wanted = evaluate_expression(parse_expression(text), HOST, MINE)
    assert all(torch.equal(seen.vectors[key], wanted[key]) for key in wanted)
    assert len(seen.lines) == 2
    assert len(inspect_expression(text, HOST, MINE, by="none").lines) == 1


def test_what_was_typed_is_an_expression_only_where_it_begins_like_one() -> None:
    assert len(inspect_typed("'cat':3", HOST, {}, "vectors").lines) == 3
    assert len(inspect_typed(" (-'cat')", HOST, {}, "vectors").lines) == 1
    assert len(inspect_typed("cat's (a:1.5)", HOST, {}, "tokens").lines) == len(HOST.tokenize("cat's (a:1.5)"))


def test_expressions_in_a_whole_prompt_are_evaluated_where_they_stand() -> None:
    text = "A photo of <'red'*0.5+'my-cat'> star, {-'fog'}"
    seen = inspect_typed(text, HOST, MINE, "tokens")
    words = [line.text for line in seen.lines]
    assert words == ["a", "photo", "of", "<'red'*0.5+'my-cat'>", "star", ",", "{-'fog'}"]
    assert [line.vectors for line in seen.lines] == [1, 1, 1, 2, 1, 1, 1]
    parts = ["'a photo of'", "'red'*0.5+'my-cat'", "'star,'", "-'fog'"]
    for encoder in HOST.widths:
        wanted = [evaluate_expression(parse_expression(part), HOST, MINE)[encoder] for part in parts]
        assert torch.equal(seen.vectors[encoder], torch.cat(wanted))
    assert [line.text for line in inspect_typed(text, HOST, MINE, "comma").lines][-1] == "{-'fog'}"
    assert len(inspect_typed(text, HOST, MINE, "none").lines) == 1
    assert [line.first for line in inspect_typed(text, HOST, MINE, "vectors").lines] == list(range(8))


def test_a_prompt_whose_expressions_have_no_rows_shows_the_rest() -> None:
    assert [line.text for line in inspect_typed("a <'b':0> c", HOST, {}, "tokens").lines] == ["a", "c"]
    with pytest.raises(InvalidText):
        inspect_typed("<'b':0>", HOST, {}, "tokens")


def test_mistakes_in_a_prompt_s_expressions_are_told() -> None:
    for text in ("a <'b'+>", "a <'b'"):
        with pytest.raises(InvalidText):
            inspect_typed(text, HOST, {}, "tokens")
    seen = inspect_typed("a <-'b'+>", HOST, {}, "tokens")
    assert len(seen.lines) == len(HOST.tokenize("a <-'b'+>"))
    assert "nearly an expression" in seen.notes[0]


@pytest.mark.parametrize("text", ["", "   ", "''", "'cat':0", "'cat"])
def test_nothing_to_see_is_an_error_with_words(text: str) -> None:
    with pytest.raises(InvalidText):
        inspect_typed(text, HOST, {}, "vectors")


def test_a_file_can_be_seen_without_a_model() -> None:
    seen = inspect_embedding(MINE["my-cat"])
    assert [table.vocabulary_length for table in seen.tables] == [None, None]
    assert seen.warnings == []


def test_a_file_for_another_model_is_refused_by_name() -> None:
    with pytest.raises(InvalidEmbedding, match="my-cat"):
        inspect_embedding(MINE["my-cat"], SmallTextModel("sd1"))


def test_a_broken_embedding_is_told_with_its_rows() -> None:
    vectors = {key: matrix.clone() for key, matrix in MINE["my-cat"].vectors.items()}
    vectors["clip_g"][1] *= 1000
    (warning,) = inspect_embedding(Embedding("x", vectors), HOST).warnings
    assert "Vector 2 is over 10 times as long in clip_g" in warning


def test_programs_get_all_of_it_as_json() -> None:
    seen = inspect_text("cat my-cat", HOST, MINE)
    values = json.loads(json.dumps(seen.values()))
    assert [line["text"] for line in values["lines"]] == ["cat", "my-cat"]
    assert [table["encoder"] for table in values["encoders"]] == ["clip_l", "clip_g"]
    assert values["encoders"][0]["rows"][0]["nearest"][0]["text"] == "cat"
